"""A million task records in Redis: how long a scrape of the metrics and a page of any list then take."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import redis

from benchmarks.rig import Rig, free_port, get_json, wait_for

RECORDS = 1_000_000
PORTION = 2_000
SCRAPES = 10
REQUESTS = 100

#: As create.lua and conclude.lua leave records: six types, three priorities, most of them succeeded.
FILL = """
local P, from, count, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local priorities = {'high', 'normal', 'normal', 'normal', 'low'}
for n = from, from + count - 1 do
  local at = now - 600000000 + n * 599
  local id = string.format('%08x-%04x-7%03x-8%03x-%012x', math.floor(at / 65536), at % 65536, n % 4096,
    n % 4096, n)
  local kind, priority, status = 'type' .. n % 6, priorities[n % 5 + 1], 'succeeded'
  if n % 40 == 0 then status = 'failed' elseif n % 50 == 1 then status = 'cancelled'
  elseif n % 100 == 7 then status = 'queued' elseif n % 500 == 9 then status = 'scheduled' end
  redis.call('HSET', P .. 'task:' .. id, 'task_type', kind, 'priority', priority, 'status', status,
    'queue', 'default', 'parameters', '{"text":"stressed"}', 'max_retries', '3', 'attempt_limit', '4',
    'time_limit_ms', '60000', 'created_at', string.format('%d', at), 'version', '3', 'attempts', '1',
    'result', '"desserts"', 'e:1', 's|1|queued|0|0|', 'e:2', 's|2|running|1|0|', 'e:3', 's|3|succeeded|1|1|')
  redis.call('ZADD', P .. 'all', 0, id)
  redis.call('ZADD', P .. 'idx:' .. kind .. ':' .. priority .. ':' .. status, 0, id)
  redis.call('SADD', P .. 'types', kind)
  if n % 10 == 0 then
    redis.call('HSET', P .. 'task:' .. id, 'tags', '["tenth"]')
    redis.call('ZADD', P .. 'tag:tenth', 0, id)
  end
end
"""

LISTS = (
    "limit=50",
    "limit=200",
    "status=failed&limit=50",
    "status=queued&status=running&limit=50",
    "type=type3&limit=50",
    "type=type1&type=type4&priority=low&limit=50",
    "priority=high&status=succeeded&limit=50",
    "queue=default&limit=50",
    "tag=tenth&limit=50",
    "tag=tenth&status=cancelled&limit=50",
    "created_before=2026-01-01T00:00:00Z&limit=50",
)


def metrics_ms_1m(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure ms of GET /metrics with 1,000,000 records, each time read afresh from Redis."""
    found = []
    with _filled(rig, say) as address:
        for number in range(rounds):
            times = []
            for _ in range(SCRAPES):
                time.sleep(1.1)  # its numbers are kept for a second
                times.append(_timed(address, ["/metrics"])[0])
            found.append(sorted(times)[-1])
            say(f"round {number + 1}: slowest of {SCRAPES} {found[-1]:.1f} ms")
    return {"callboard": found}


def list_ms_p99_1m(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure the 99th percentile, ms, of the slowest list or count with 1,000,000 records."""
    paths = [f"/api/tasks?{query}" for query in LISTS] + ["/api/stats?minutes=1", "/api/queues"]
    found = []
    with _filled(rig, say) as address:
        after = {path: _second_page(address, path) for path in paths if path.startswith("/api/tasks")}
        for number in range(rounds):
            slowest = ("", 0.0)
            for path in paths:
                pages = [path, after[path]] if path in after else [path]
                times = sorted(_timed(address, pages * (REQUESTS // len(pages))))
                p99 = times[len(times) * 99 // 100]
                slowest = max(slowest, (path, p99), key=lambda each: each[1])
            found.append(slowest[1])
            say(f"round {number + 1}: slowest is {slowest[0]}, p99 {slowest[1]:.1f} ms")
    return {"callboard": found}


@contextmanager
def _filled(rig: Rig, say: Callable[[str], None]) -> Iterator[str]:
    env = rig.environment(free_port())
    with closing(redis.Redis.from_url(rig.redis.url, socket_timeout=120)) as client:
        client.config_set("appendonly", "no")  # a gigabyte that nobody reads again
        fill = client.register_script(FILL)
        begun = time.perf_counter()
        prefix, now = f"{env['CALLBOARD_NAMESPACE']}:", int(time.time() * 1000)
        for first in range(0, RECORDS, PORTION):
            fill(args=[prefix, first, PORTION, now])
        say(f"{RECORDS:,} records in {time.perf_counter() - begun:.0f} s")
        try:
            with rig.callboard_web(env) as address:
                _wait_idle(client, prefix)
                yield address
        finally:
            client.flushall(asynchronous=True)
            client.config_set("appendonly", "yes")


def _wait_idle(client: "redis.Redis", prefix: str) -> None:
    """Wait until the web process has sent a RabbitMQ that is new to it every task that has not ended."""
    time.sleep(3)
    wait_for(lambda: not client.zcard(f"{prefix}adrift"), "every message is sent again", 120)


def _second_page(address: str, path: str) -> str:
    cursor = get_json(address + path)["next"]
    return f"{path}&cursor={cursor}" if cursor else path


def _timed(address: str, paths: list[str]) -> list[float]:
    """Return ms of each request, all on one connection."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    times = []
    with closing(connection):
        for path in paths:
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - begun) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
    return times
