"""What operators see: the workers that live, and the queues as the records know them."""

from callboard.store import calls, workers
from callboard.store.workers import QueueEntry
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import Bench

FIELDS: dict[str, str | int | float] = {
    "host": "host", "pid": 7, "queues": "default,email", "threads": 8, "running": "a,b", "started_at": 5,
    "cpu_percent": 1.5, "memory_bytes": 9, "done": 3, "failed": 1,
}  # fmt: skip


async def test_a_worker_is_listed_as_it_told(bench: Bench) -> None:
    before = bench.now_ms()
    await bench.run(calls.beat(bench.keys, "host:7", FIELDS, []))
    (entry,) = await bench.run(workers.live(bench.keys))
    assert (entry.id, entry.host, entry.pid, entry.threads) == ("host:7", "host", 7, 8)
    assert (entry.queues, entry.running) == (["default", "email"], ["a", "b"])
    assert (entry.started_at, entry.cpu_percent, entry.memory_bytes) == (5, 1.5, 9)
    assert (entry.done, entry.failed) == (3, 1)
    assert before <= entry.last_heartbeat <= bench.now_ms()


async def test_an_idle_worker_runs_nothing(bench: Bench) -> None:
    await bench.run(calls.beat(bench.keys, "host:7", {**FIELDS, "running": ""}, []))
    assert (await bench.run(workers.live(bench.keys)))[0].running == []


async def test_a_worker_whose_heart_stopped_is_forgotten(bench: Bench) -> None:
    for worker in ("host:1", "host:2"):
        await bench.run(calls.beat(bench.keys, worker, FIELDS, []))
    bench.client.delete(bench.keys.worker("host:1"))
    assert [entry.id for entry in await bench.run(workers.live(bench.keys))] == ["host:2"]
    assert bench.client.zrange(f"{bench.keys.prefix}workers", 0, -1) == [b"host:2"]


async def test_a_worker_that_fell_silent_is_lost_until_its_heart_beats_again(bench: Bench) -> None:
    for worker in ("host:1", "host:2"):
        await bench.run(calls.beat(bench.keys, worker, FIELDS, []))
    assert await bench.run(workers.lost(bench.keys)) == []
    silent_since = bench.now_ms() - workers.WORKER_TTL_S * 1000 - 1
    bench.client.zadd(f"{bench.keys.prefix}workers", {"host:1": silent_since})
    assert [entry.id for entry in await bench.run(workers.live(bench.keys))] == ["host:2"]
    assert [entry.id for entry in await bench.run(workers.lost(bench.keys))] == ["host:1"]
    await bench.run(calls.beat(bench.keys, "host:1", FIELDS, []))
    assert await bench.run(workers.lost(bench.keys)) == []


async def test_a_worker_that_stopped_in_good_order_is_not_lost(bench: Bench) -> None:
    await bench.run(calls.beat(bench.keys, "host:1", FIELDS, []))
    await bench.run(calls.gone(bench.keys, "host:1"))
    assert await bench.run(workers.lost(bench.keys)) == []


async def test_without_workers_the_list_is_empty(bench: Bench) -> None:
    assert await bench.run(workers.live(bench.keys)) == []


async def test_a_queue_adds_up_the_tasks_of_its_types(bench: Bench) -> None:
    oldest = await bench.create(priority=Priority.LOW)
    for priority in (Priority.HIGH, Priority.HIGH, Priority.NORMAL):
        await bench.create(priority=priority, task_type="sentiment")
    for state in (State.SCHEDULED, State.RETRYING, State.RUNNING, State.FAILED, State.SUCCEEDED):
        await bench.in_state(state)
    await bench.create(task_type="email_sending", queue="email")
    found = await bench.run(
        workers.queues(bench.keys, {"default": ["reverse_text", "sentiment"], "email": ["email_sending"]})
    )
    assert found[0] == QueueEntry(
        name="default", high=2, normal=1, low=1, scheduled=1, retrying=1, running=1, failed=1,
        oldest_id=oldest.task_id, waiting_since=bench.events(oldest)[-1].at_ms,
    )  # fmt: skip
    assert (found[1].name, found[1].normal, found[1].high, found[1].low) == ("email", 1, 0, 0)


async def test_an_empty_queue_has_no_oldest_task(bench: Bench) -> None:
    assert await bench.run(workers.queues(bench.keys, {"default": ["reverse_text"], "none": []})) == [
        QueueEntry(name=name, high=0, normal=0, low=0, scheduled=0, retrying=0, running=0, failed=0,
                   oldest_id=None)
        for name in ("default", "none")
    ]  # fmt: skip
