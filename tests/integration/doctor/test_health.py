"""`GET /api/health` while things really go wrong: servers, workers, schedulers, queues, failures."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store import calls, workers
from callboard.tasks.states import State
from tests.integration.doctor.patient import Patient
from tests.integration.doctor.test_servers import configured
from tests.patience import PATIENCE_S, stand_still, wait_until


class Watched:
    """The health of the installation as its clients see it."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{patient.settings.port}", timeout=PATIENCE_S)

    def report(self) -> dict[str, Any]:
        answer = self.client.get("/api/health")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        assert set(found) == {"status", "checked_at", "problems", "not_checked"}
        for each in found["problems"]:
            assert set(each) == {"id", "severity", "title", "detail", "what_to_do", "since"}
            assert all(each.values()), each
        return found

    def problem(self, problem_id: str, check: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
        """Wait for a problem."""
        last: list[dict[str, Any]] = []

        def there() -> bool:
            last[:] = [each for each in self.report()["problems"] if each["id"] == problem_id and check(each)]
            return bool(last)

        wait_until(there, what=f"the problem {problem_id}", every_s=0.3)
        return last[0]

    def wait_well(self) -> None:
        """Wait until nothing is wrong any more."""

        def well() -> bool:
            found = self.report()
            return (found["status"], found["problems"]) == ("ok", [])

        wait_until(well, what="all is well", every_s=0.3)

    def waits_since(self, task_id: str, seconds: int) -> None:
        """Make a task that is queued one that has been for so long."""
        at_ms = self.patient.bench.now_ms() - seconds * 1000
        key = self.patient.keys.task(task_id)
        self.patient.client.hset(key, "e:1", f"s|{at_ms}|queued|0|0|")

    def submit(self, number: int = 1, **fields: Any) -> list[str]:
        body = {"task_type": "reverse_text", "parameters": {"text": "a"}, **fields}
        answer = self.client.post("/api/tasks/batch", json={"tasks": [body] * number})
        return [each["task"]["task_id"] for each in answer.json()["tasks"]]


@pytest.fixture
def watched(healthy: Patient) -> Iterator[Watched]:
    made = Watched(healthy)
    made.wait_well()
    yield made
    for name in healthy.processes:
        healthy.start(name)  # does nothing for one that runs
    healthy.wait_healthy()
    made.client.close()


def test_a_worker_that_is_killed_is_missed_until_another_takes_its_place(watched: Watched) -> None:
    process = watched.patient.processes["worker"]
    store, keys = watched.patient.store, watched.patient.keys
    (before,) = store.run(workers.live(keys))
    process.kill()
    # Silence of 15 s is what makes it lost; its last heartbeat is moved so far back.
    watched.patient.client.zincrby(f"{keys.prefix}workers", -20_000, before.id)
    found = watched.problem(f"worker-lost:{before.id}")
    assert found["severity"] == "warning"
    assert "did not say that it stops" in found["detail"]
    again = watched.problem(f"worker-lost:{before.id}")
    assert again["since"] == found["since"]
    (task_id,) = watched.submit()
    watched.waits_since(task_id, 60)
    unserved = watched.problem("queue-unserved:default")
    assert unserved["severity"] == "critical"
    assert "callboard worker --queues default" in unserved["what_to_do"]
    assert watched.report()["status"] == "critical"
    watched.patient.start("worker")
    watched.wait_well()
    assert watched.client.get(f"/api/tasks/{task_id}?wait=20").json()["status"] == "succeeded"


def test_a_worker_that_is_stopped_in_good_order_is_not_lost(watched: Watched) -> None:
    watched.patient.processes["worker"].stop(PATIENCE_S)
    watched.problem("workers-none")
    assert [each["id"] for each in watched.report()["problems"]] == ["workers-none"]
    watched.patient.start("worker")


def test_a_scheduler_that_is_killed_is_missed(watched: Watched) -> None:
    keys = watched.patient.keys
    watched.patient.processes["scheduler"].kill()
    for name, at in watched.patient.client.zrange(f"{keys.prefix}schedulers", 0, -1, withscores=True):
        watched.patient.client.zadd(f"{keys.prefix}schedulers", {name: at - 60_000})
    found = watched.problem("scheduler-lost")
    assert "callboard scheduler" in found["what_to_do"]
    assert watched.problem("scheduler-lost")["since"] == found["since"]
    watched.patient.start("scheduler")
    watched.wait_well()
    watched.patient.client.zremrangebyrank(f"{keys.prefix}schedulers", 0, -2)


def test_an_alarm_of_rabbitmq_is_seen_without_a_submit(watched: Watched, own_rabbitmq: RabbitNode) -> None:
    own_rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        found = watched.problem("rabbitmq-blocked")
        assert found["severity"] == "critical"
        assert "rabbitmqctl status" in found["what_to_do"]
        since = watched.problem("rabbitmq-blocked")["since"]
        assert since == found["since"]
    finally:
        own_rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1GB")


def test_a_redis_that_is_down_or_hangs_is_told_at_once(watched: Watched, own_redis: RedisServer) -> None:
    for crash in (False, True):
        if crash:
            own_redis.kill()
        else:
            stand_still(own_redis.pid)
        found = watched.problem("redis-unreachable")
        assert (found["severity"], watched.report()["status"]) == ("critical", "critical")
        assert "workers" in watched.report()["not_checked"]
        assert watched.problem("redis-unreachable")["since"] == found["since"]
        if crash:
            own_redis.start()
            own_redis.wait_ready()
        else:
            os.kill(own_redis.pid, signal.SIGCONT)
        watched.wait_well()
        assert watched.report()["not_checked"] == []


def test_a_redis_without_memory_is_named_before_it_refuses(watched: Watched) -> None:
    client = watched.patient.client
    used: Any = client.info("memory")
    with configured(client, "maxmemory", str(int(used["used_memory"] * 1.2))):
        found = watched.problem("redis-memory")
    assert (found["severity"], "maxmemory" in found["what_to_do"]) == ("warning", True)


def test_a_paused_queue_is_to_be_known_and_no_fault(watched: Watched) -> None:
    since = watched.client.post("/api/queues/default/pause").json()["paused_since"]
    watched.submit(3)
    found = watched.problem("queue-paused:default", lambda each: "3 tasks" in each["detail"])
    assert (found["severity"], found["since"]) == ("info", since)
    assert watched.report()["status"] == "ok"
    watched.client.post("/api/queues/default/resume")


def test_a_queue_that_waits_too_long_is_behind(watched: Watched) -> None:
    """Its only worker is frozen; the wait is made longer than it is."""
    worker = watched.patient.processes["worker"]
    watched.client.post("/api/queues/default/pause")
    tasks = watched.submit(2)
    stand_still(worker.pid)
    watched.client.post("/api/queues/default/resume")
    watched.waits_since(tasks[0], 301)
    found = watched.problem("queue-behind:default")
    assert "2 tasks wait, the oldest for 5 min" in found["detail"]
    assert "--queues default" in found["what_to_do"]
    os.kill(worker.pid, signal.SIGCONT)


async def test_a_type_that_fails_too_often_is_named(watched: Watched) -> None:
    bench = watched.patient.bench
    made = [(await bench.ended(State.FAILED, task_type="sentiment"))[0] for _ in range(10)]
    found = watched.problem("failing:sentiment")
    said = re.search(r"(\d+) of (\d+) failed \(100%\)", found["detail"])
    assert said is not None  # others of the last five minutes may be among them
    assert int(said[1]) == int(said[2]) >= 10
    minute = bench.now_ms() // 60_000
    for each in made:
        await bench.run(calls.forget(bench.keys, each.task_id))
    for number in (minute - 1, minute, minute + 1):
        bench.client.delete(f"{bench.keys.prefix}stats:{number}")
