"""Schedules in Redis: a tick has its task once, whoever asks how often."""

import msgspec
import pytest

from callboard.store import calls, schedules
from callboard.store.schedules import Definition, Schedule
from callboard.tasks.ids import id_of, new_task_id
from callboard.tasks.record import TaskRecord
from tests.contract.store.bench import Bench, record

MINUTE = 60_000
NOW = 29_000_000 * MINUTE
DEFINITION = Definition(name="Ü", cron="* * * * *", time_zone="UTC", missed="once", task=b'{"task_type":"x"}')


async def make(bench: Bench, at: int = NOW, limit: int = 10, definition: Definition = DEFINITION) -> Schedule:
    schedule_id = new_task_id()
    call = schedules.save(
        bench.keys, schedule_id, schedules.fields_of(definition), expected="new",
        settled_ms=at, next_tick=at + MINUTE, at_most=limit,
    )  # fmt: skip
    for _ in range(2):  # sent twice it is made once
        assert await bench.run(call) == "saved"
    return await read(bench, schedule_id)


async def read(bench: Bench, schedule_id: str) -> Schedule:
    found = await bench.run(schedules.read(bench.keys, schedule_id))
    assert found is not None
    return found


async def save(bench: Bench, schedule: Schedule, expected: int, **fields: str | int) -> str:
    return await bench.run(
        schedules.save(
            bench.keys, schedule.schedule_id, fields, expected=expected, settled_ms=None, next_tick="="
        )
    )


def task(schedule: Schedule, tick: int) -> TaskRecord:
    return record(task_id=id_of(tick, schedule.schedule_id), tags=(schedule.tag,))


async def test_a_new_schedule_is_read_as_it_was_saved(bench: Bench) -> None:
    made = await make(bench)
    assert made.definition == DEFINITION
    assert (made.version, made.last_tick, made.next_tick) == (1, NOW, NOW + MINUTE)
    assert (made.runs, made.skipped, made.problem, made.last_task_id, made.last_status) == (
        0,
        0,
        None,
        None,
        None,
    )
    assert made.created_at == made.updated_at
    assert await bench.run(schedules.newest(bench.keys, 10)) == [made]
    assert await bench.run(schedules.read(bench.keys, new_task_id())) is None


async def test_there_are_never_more_than_allowed(bench: Bench) -> None:
    for _ in range(2):
        await make(bench, limit=2)
    call = schedules.save(
        bench.keys, new_task_id(), schedules.fields_of(DEFINITION), expected="new",
        settled_ms=NOW, next_tick="", at_most=2,
    )  # fmt: skip
    assert await bench.run(call) == "full"
    assert len(await bench.run(schedules.newest(bench.keys, 10))) == 2


async def test_only_the_expected_version_is_changed_or_deleted(bench: Bench) -> None:
    made = await make(bench)
    assert await save(bench, made, 1, name="b") == "saved"
    assert await save(bench, made, 1, name="c") == "stale"
    assert (await read(bench, made.schedule_id)).definition.name == "b"
    assert await bench.run(schedules.delete(bench.keys, made.schedule_id, 1)) == "stale"
    assert await bench.run(schedules.delete(bench.keys, made.schedule_id, 2)) == "deleted"
    assert await bench.run(schedules.delete(bench.keys, made.schedule_id, None)) == "absent"
    assert await save(bench, made, 2, name="d") == "absent"
    assert await bench.run(schedules.newest(bench.keys, 10)) == []
    assert await bench.run(schedules.due(bench.keys, NOW + 9 * MINUTE, 10)) == []


async def test_those_that_are_due_come_the_longest_due_first(bench: Bench) -> None:
    later, sooner = await make(bench, NOW + MINUTE), await make(bench, NOW)
    assert await bench.run(schedules.due(bench.keys, NOW + MINUTE - 1, 10)) == []
    for upto, expected in ((NOW + MINUTE, [sooner]), (NOW + 5 * MINUTE, [sooner, later])):
        assert await bench.run(schedules.due(bench.keys, upto, 10)) == expected
    assert await bench.run(schedules.due(bench.keys, NOW + 5 * MINUTE, 1)) == [sooner]


async def test_a_tick_makes_its_task_and_moves_on_in_one_step(bench: Bench) -> None:
    made, tick = await make(bench), NOW + MINUTE
    call = schedules.settle(bench.keys, made, NOW, tick, tick + MINUTE, skipped=3, record=task(made, tick))
    for _ in range(2):  # the answer to the first may have been lost
        assert await bench.run(call)
    found = await read(bench, made.schedule_id)
    assert (found.last_tick, found.next_tick, found.runs, found.skipped) == (tick, tick + MINUTE, 1, 3)
    assert (found.last_task_id, found.last_status) == (id_of(tick, made.schedule_id), "queued")
    made_task = await bench.run(calls.read(bench.keys, found.last_task_id or ""))
    assert made_task is not None
    assert made_task.tags == (made.tag,)
    assert await bench.run(calls.take_outbox(bench.keys, -1)) == [made_task.task_id]
    assert bench.client.zcard(f"{bench.keys.prefix}tag:{made.tag}") == 1


async def test_of_two_schedulers_one_settles_a_tick(bench: Bench) -> None:
    made, tick = await make(bench), NOW + MINUTE
    assert await bench.run(schedules.settle(bench.keys, made, NOW, tick, None, record=task(made, tick)))
    other = msgspec.structs.replace(task(made, tick), task_id=new_task_id())
    for each in (task(made, tick), other):
        assert not await bench.run(schedules.settle(bench.keys, made, NOW, tick, None, record=each))
    assert await bench.run(calls.read(bench.keys, other.task_id)) is None
    assert (await read(bench, made.schedule_id)).runs == 1


@pytest.mark.parametrize("change", ["paused", "deleted"])
async def test_a_tick_of_a_schedule_that_has_changed_since_is_not_settled(bench: Bench, change: str) -> None:
    made, tick = await make(bench), NOW + MINUTE
    if change == "paused":
        assert await save(bench, made, 1, enabled=0) == "saved"
    else:
        assert await bench.run(schedules.delete(bench.keys, made.schedule_id, None)) == "deleted"
    assert not await bench.run(schedules.settle(bench.keys, made, NOW, tick, None, record=task(made, tick)))
    assert await bench.run(calls.read(bench.keys, id_of(tick, made.schedule_id))) is None


async def test_a_redis_that_forgot_its_last_second_gets_the_same_task_again(bench: Bench) -> None:
    """The tick was settled and forgotten, its task was not: it is not made a second time."""
    made, tick = await make(bench), NOW + MINUTE
    await bench.run(calls.create(bench.keys, task(made, tick), None))
    assert await bench.run(schedules.settle(bench.keys, made, NOW, tick, None, record=task(made, tick)))
    again = await bench.run(calls.read(bench.keys, id_of(tick, made.schedule_id)))
    assert again is not None
    assert again.version == 1


async def test_a_problem_is_kept_until_a_task_is_made_or_the_schedule_is_saved(bench: Bench) -> None:
    made = await make(bench)
    tick = NOW
    for repair in ("task", "save"):
        before, tick = tick, tick + MINUTE
        now = await read(bench, made.schedule_id)
        assert await bench.run(
            schedules.settle(bench.keys, now, before, tick, tick + 1, problem="no such type")
        )
        broken = await read(bench, made.schedule_id)
        assert (broken.problem, broken.last_tick, broken.next_tick) == ("no such type", tick, tick + 1)
        assert broken.problem_at is not None
        assert await bench.run(schedules.troubled(bench.keys, 5)) == [broken]
        assert await bench.run(schedules.troubled(bench.keys, 0)) == []
        if repair == "task":
            before, tick = tick, tick + MINUTE
            await bench.run(schedules.settle(bench.keys, broken, before, tick, None, record=task(made, tick)))
        else:
            assert await save(bench, broken, broken.version, name="b") == "saved"
        repaired = await read(bench, made.schedule_id)
        assert (repaired.problem, repaired.problem_at) == (None, None)
        assert await bench.run(schedules.troubled(bench.keys, 5)) == []


async def test_what_is_settled_goes_back_only_where_a_clock_was_wrong_by_more_than_a_day(
    bench: Bench,
) -> None:
    made = await make(bench)
    day = 1440 * MINUTE
    for settled, expected in ((NOW - day, NOW), (NOW + MINUTE, NOW + MINUTE), (NOW - day, NOW - day)):
        now = await read(bench, made.schedule_id)
        await bench.run(
            schedules.save(
                bench.keys, made.schedule_id, {}, expected=now.version, settled_ms=settled, next_tick=""
            )
        )
        found = await read(bench, made.schedule_id)
        assert (found.last_tick, found.next_tick) == (expected, None)


async def test_a_run_by_hand_is_noted_once_and_makes_no_schedule(bench: Bench) -> None:
    made, task_id = await make(bench), new_task_id()
    for _ in range(2):
        await bench.run(schedules.ran(bench.keys, made.schedule_id, task_id))
    found = await read(bench, made.schedule_id)
    assert (found.last_task_id, found.runs, found.last_tick) == (task_id, 1, NOW)
    await bench.run(schedules.ran(bench.keys, new_task_id(), task_id))
    assert await bench.run(schedules.newest(bench.keys, 10)) == [found]
