"""Checks the Redis server: version, persistence, eviction, memory, clock.

`judge` and `unreachable` speak for `GET /api/health` as well (health/judge.py).
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.exceptions import RedisError

from callboard.doctor.finding import Finding, fail, ok, warn
from callboard.store import sentinel

_OLDEST: Final = 7
#: Shares of the memory there is.
_TIGHT: Final = 0.75
_FULL: Final = 0.95
#: Seconds: half of a lease of 6 s is too much.
_SKEW_WARN_S: Final = 0.5
_SKEW_FAIL_S: Final = 3.0


def check(client: redis.Redis, url: str) -> Iterator[Finding]:
    """Look at the server; ends after the first finding when it cannot be reached."""
    where = address(url)
    try:
        client.ping()
        info: dict[str, Any] = client.info("everything")
    except RedisError as error:
        yield unreachable(f"{where}: {type(error).__name__}: {error}")
        return
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    name = "Valkey" if "valkey_version" in info else "Redis"
    if int(version.partition(".")[0]) < _OLDEST:
        yield fail("Redis", f"{name} {version} at {where} is too old", f"upgrade it to {_OLDEST} or later")
    else:
        yield ok("Redis", f"{name} {version} at {where}")
    yield from judge(info)
    yield _clock(client)


def unreachable(detail: str) -> Finding:
    """Return that Redis does not serve us."""
    advice = "start Redis, or correct CALLBOARD_REDIS_URL"
    if "NOPERM" in detail or "no permissions" in detail:
        advice = "let Callboard's user run INFO: ACL SETUSER … +info"
    return fail("Redis", detail, advice)


def judge(info: Mapping[str, Any]) -> list[Finding]:
    """Return how it keeps its data, whether it evicts, and its memory, from the answer to INFO."""
    return [_persistence(info), _eviction(info), _memory(info)]


def address(url: str) -> str:
    """Return host, port and database of a Redis URL, without its password."""
    if sentinel.is_sentinel(url):
        watched = sentinel.parse(url)
        hosts = ", ".join(f"{host}:{port}" for host, port in watched.sentinels)
        return f"{watched.name} of the Sentinels {hosts}"
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname}:{parts.port or 6379}{parts.path.rstrip('/')}"


def _persistence(info: Mapping[str, Any]) -> Finding:
    name = "Redis persistence"
    if not int(info.get("aof_enabled", 0)):
        return fail(
            name,
            "appendonly is off: a crash of Redis loses every record since its last snapshot",
            "CONFIG SET appendonly yes, and `appendonly yes` in redis.conf",
        )
    for field in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get(field, "ok") != "ok":
            return fail(
                name, f"appendonly is on, but {field} is {info[field]}", "see Redis's log; is its disk full?"
            )
    return ok(name, "appendonly is on")


def _eviction(info: Mapping[str, Any]) -> Finding:
    name = "Redis eviction"
    policy = str(info.get("maxmemory_policy", "unknown"))
    evicted = int(info.get("evicted_keys", 0))
    if policy != "noeviction":
        return fail(
            name,
            f"maxmemory-policy is {policy}: a full Redis forgets tasks instead of refusing them",
            "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    if evicted:
        advice = "look for what is missing below; the count starts anew with Redis's next start"
        return warn(name, f"noeviction, but {evicted} keys were evicted before that was set", advice)
    return ok(name, "maxmemory-policy is noeviction")


def _memory(info: Mapping[str, Any]) -> Finding:
    name = "Redis memory"
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    there = most or int(info.get("total_system_memory", 0))
    of = f"{there / 2**20:,.0f} MB " + ("(maxmemory)" if most else "of the machine, maxmemory is not set")
    detail = f"{used / 2**20:,.0f} MB used of {of}"
    advice = "raise maxmemory or add memory, lower CALLBOARD_RESULT_TTL, or delete finished tasks"
    if there and used >= there * _FULL:
        return fail(name, detail + "; submits are refused when it is full", advice)
    if there and used >= there * _TIGHT:
        return warn(name, detail, advice)
    return ok(name, detail)


def _clock(client: redis.Redis) -> Finding:
    name = "clock"
    began = time.time()
    seconds, micros = client.time()
    ended = time.time()
    skew_s = int(seconds) + int(micros) / 1e6 - (began + ended) / 2
    detail = f"Redis's clock is {abs(skew_s):.3f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    advice = "run an NTP client on every machine; times of tasks, leases and delays are compared across them"
    if abs(skew_s) > _SKEW_FAIL_S + (ended - began) / 2:
        return fail(name, detail, advice)
    if abs(skew_s) > _SKEW_WARN_S + (ended - began) / 2:
        return warn(name, detail, advice)
    return ok(name, detail)
