"""Tasks whose messages RabbitMQ may have lost, or may keep too long: noted, taken, sent again."""

from callboard.store import adrift, calls
from callboard.tasks.states import TERMINAL, State
from tests.contract.store.bench import Bench, index, record

KEY = calls.Idempotency("key-1", "fingerprint", b"first answer")
LONG_AGO_MS = 1_600_000_000_000


async def test_due_tasks_that_nobody_starts_are_taken_once_to_be_sent_again(bench: Bench) -> None:
    tasks = [await bench.create(status=State.SCHEDULED, eta=1) for _ in range(3)]
    assert await bench.run(calls.promote_due(bench.keys, look_after_ms=0)) == 3
    started, *left = tasks
    await bench.claim(started)
    assert set(await bench.run(adrift.take_overdue(bench.keys))) == {each.task_id for each in left}
    assert await bench.run(adrift.take_overdue(bench.keys)) == []  # they are the taker's for a while
    await bench.run(adrift.overdue_sent(bench.keys, [each.task_id for each in left]))
    assert not bench.client.exists(bench.keys.overdue)


async def test_due_tasks_are_not_looked_at_before_their_time_nor_unless_asked_for(bench: Bench) -> None:
    await bench.create(status=State.SCHEDULED, eta=1)
    await bench.run(calls.promote_due(bench.keys))
    assert not bench.client.exists(bench.keys.overdue)
    await bench.create(status=State.SCHEDULED, eta=1)
    await bench.run(calls.promote_due(bench.keys, look_after_ms=60_000))
    assert await bench.run(adrift.take_overdue(bench.keys)) == []
    assert bench.client.zcard(bench.keys.overdue) == 1


async def _adrift(bench: Bench) -> list[str]:
    return await bench.run(adrift.take(bench.keys))


async def test_every_task_that_has_not_ended_can_be_noted_as_adrift(bench: Bench) -> None:
    waiting = [await bench.in_state(state) for state in (State.SCHEDULED, State.QUEUED, State.RETRYING)]
    lost, _ = await bench.running()
    bench.lapse(lost)
    for state in sorted(TERMINAL):
        await bench.in_state(state)
    for name in adrift.indexes(["reverse_text"]):
        assert await bench.run(adrift.add(bench.keys, name, "")) == ""
    ids = [each.task_id for each in (*waiting, lost)]
    assert sorted(await _adrift(bench)) == sorted(ids)
    assert await _adrift(bench) == [], "they are the taker's for a while"
    await bench.run(adrift.sent(bench.keys, ids))
    assert "adrift" not in bench.names()


async def test_tasks_adrift_are_noted_in_pages(bench: Bench) -> None:
    ids = [(await bench.create()).task_id for _ in range(5)]
    after, pages = "", 0
    while after or not pages:
        after = await bench.run(adrift.add(bench.keys, "idx:reverse_text:normal:queued", after, 2))
        pages += 1
    assert (pages, sorted(await _adrift(bench))) == (3, ids)


async def test_a_task_adrift_that_runs_is_looked_at_again_until_it_waits(bench: Bench) -> None:
    task, run = await bench.running()
    name = f"{bench.keys.prefix}adrift"
    await bench.run(adrift.add(bench.keys, index(task, State.RUNNING), ""))
    assert await _adrift(bench) == []
    assert bench.score("adrift", task) is not None
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    bench.client.zadd(name, {task.task_id: 0})
    assert await _adrift(bench) == [task.task_id]


async def test_what_has_ended_or_was_deleted_is_not_adrift(bench: Bench) -> None:
    ended = await bench.in_state(State.SUCCEEDED)
    deleted = await bench.in_state(State.FAILED)
    await bench.run(calls.forget(bench.keys, deleted.task_id))
    for task in (ended, deleted, record()):
        bench.client.zadd(f"{bench.keys.prefix}adrift", {task.task_id: 0})
    assert await _adrift(bench) == []
    assert "adrift" not in bench.names()


async def test_a_running_task_that_nobody_runs_is_noted_once_that_has_been_so_for_a_while(
    bench: Bench,
) -> None:
    task, _ = await bench.running()
    look = adrift.add_unclaimed(bench.keys)
    assert await bench.run(look) == 0
    bench.lapse(task, bench.now_ms() - 3_600_000)
    assert [await bench.run(look), await bench.run(look)] == [0, 0]
    assert "unclaimed_ms" in bench.raw(task)
    since = bench.now_ms() - adrift.UNCLAIMED_MS - 1
    bench.client.hset(bench.keys.task(task.task_id), "unclaimed_ms", since)
    assert [await bench.run(look), await bench.run(look)] == [1, 0]
    assert await _adrift(bench) == [task.task_id]


async def test_a_lease_that_is_renewed_after_redis_was_away_is_no_reason(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task, 1)
    await bench.run(adrift.add_unclaimed(bench.keys))
    await bench.run(calls.beat(bench.keys, "host:1", {"pid": 1}, [(task.task_id, run)]))
    assert await bench.run(adrift.add_unclaimed(bench.keys)) == 0
    assert "unclaimed_ms" not in bench.raw(task)
