"""What the doctor reads of the records: as they stand, and without a change."""

from callboard.store import look
from callboard.store.look import Seen
from callboard.tasks.ids import created_ms
from callboard.tasks.states import State
from tests.contract.store.bench import FAR_MS, Bench, index, record


async def test_the_oldest_entries_of_an_index_are_seen_as_they_stand(bench: Bench) -> None:
    running, _ = await bench.running()
    bench.lapse(running, 12_345)
    retrying, _ = await bench.retrying(FAR_MS)
    since = [bench.events(task)[-1].at_ms for task in (running, retrying)]
    count, seen = await bench.run(look.index(bench.keys, "all", 10))
    assert count == 2
    assert seen == [
        Seen(running.task_id, "running", 12_345, since[0]),
        Seen(retrying.task_id, "retrying", None, since[1]),
    ]


async def test_no_more_are_seen_than_were_asked_for(bench: Bench) -> None:
    tasks = [await bench.create() for _ in range(4)]
    count, seen = await bench.run(look.index(bench.keys, index(tasks[0], State.QUEUED), 2))
    assert (count, [each.task_id for each in seen]) == (4, [task.task_id for task in tasks[:2]])


async def test_an_entry_without_a_record_has_no_state(bench: Bench) -> None:
    task = await bench.create()
    bench.client.delete(bench.keys.task(task.task_id))
    assert await bench.run(look.index(bench.keys, "all", 10)) == (
        1, [Seen(task.task_id, None, None, created_ms(task.task_id))],
    )  # fmt: skip


async def test_looking_changes_nothing(bench: Bench) -> None:
    task = await bench.in_state(State.FAILED)
    before = bench.raw(task), bench.names(), bench.ttl_s(f"task:{task.task_id}") > 0
    await bench.run(look.index(bench.keys, "all", 10))
    await bench.run(look.index(bench.keys, "idx:nobody:high:queued", 10))
    assert (bench.raw(task), bench.names(), bench.ttl_s(f"task:{task.task_id}") > 0) == before


async def test_the_earliest_time_of_a_set_is_read(bench: Bench) -> None:
    assert await bench.run(look.earliest(bench.keys, "due")) is None
    for due_ms in (FAR_MS + 5, FAR_MS):
        await bench.create(status=State.SCHEDULED, eta=due_ms)
    assert await bench.run(look.earliest(bench.keys, "due")) == FAR_MS


async def test_the_servers_clock_and_keys_are_read(bench: Bench) -> None:
    before = bench.now_ms()
    assert before <= await bench.run(look.clock()) <= bench.now_ms()
    task = record()
    assert not await bench.run(look.exists(bench.keys.task(task.task_id)))
    await bench.create(task_id=task.task_id)
    assert await bench.run(look.exists(bench.keys.task(task.task_id)))
