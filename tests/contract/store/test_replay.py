"""Replay: what a stream is given that comes late or comes back."""

import pytest

from callboard.store import calls
from callboard.store.replay import replay
from callboard.tasks.events import EVENTS_KEPT, Replay
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import State
from tests.contract.store.bench import Bench, record


def lines(*texts: str) -> list[calls.LogLine]:
    return [calls.LogLine("INFO", 1000, text) for text in texts]


async def replayed(bench: Bench, task: TaskRecord, after: int = 0) -> Replay:
    return await bench.run(replay(bench.keys, task.task_id, after))


async def a_life(bench: Bench) -> TaskRecord:
    """Make a task with seven versions, two of them log lines."""
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "HALF"), lines("one")))
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.7, "MORE"), lines("two")))
    await bench.conclude(task, run, State.SUCCEEDED, result=b"1")
    return task


async def test_from_the_start_everything_is_replayed_in_order(bench: Bench) -> None:
    found = await replayed(bench, await a_life(bench))
    assert [(event.version, event.kind) for event in found.events] == [
        (1, "state"), (2, "state"), (3, "log"), (4, "progress"), (5, "log"), (6, "progress"), (7, "state"),
    ]  # fmt: skip
    assert (found.version, found.status, found.ended, found.missing) == (7, "succeeded", True, [])


async def test_a_log_line_is_replayed_with_its_words(bench: Bench) -> None:
    found = await replayed(bench, await a_life(bench))
    assert [(each.level, each.message, each.attempt) for each in found.events if each.kind == "log"] == [
        ("INFO", "one", 1), ("INFO", "two", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("after", range(8))
async def test_after_a_version_only_later_ones_are_replayed(bench: Bench, after: int) -> None:
    task = await a_life(bench)
    found = await replayed(bench, task, after)
    assert [event.version for event in found.events] == list(range(after + 1, 8))
    assert found.missing == []


async def test_a_position_in_the_future_replays_nothing(bench: Bench) -> None:
    found = await replayed(bench, await a_life(bench), 1_000)
    assert (found.events, found.missing, found.version) == ([], [], 7)


async def test_what_is_no_longer_kept_is_told_as_missing(bench: Bench) -> None:
    task, run = await bench.running()
    for number in range(EVENTS_KEPT + 10):
        await bench.run(calls.report(bench.keys, task.task_id, run, (number / 1000, "")))
    last = EVENTS_KEPT + 12
    found = await replayed(bench, task, 3)
    assert found.missing == [(4, 12)]
    assert [event.version for event in found.events] == list(range(13, last + 1))
    assert (await replayed(bench, task, 12)).missing == []


async def test_log_lines_older_than_the_kept_events_are_replayed_without_a_hole_untold(bench: Bench) -> None:
    task, run = await bench.running()
    many = lines(*(str(n) for n in range(EVENTS_KEPT + 50)))
    await bench.run(calls.report(bench.keys, task.task_id, run, None, many))
    found = await replayed(bench, task, 0)
    assert found.missing == [(1, 2)]
    assert [event.version for event in found.events] == list(range(3, EVENTS_KEPT + 53))


async def test_every_hole_is_told_where_lines_and_progress_that_is_gone_took_turns(bench: Bench) -> None:
    task, run = await bench.running()
    for number in range(150):
        await bench.run(calls.report(bench.keys, task.task_id, run, (number / 1000, ""), lines(str(number))))
    found = await replayed(bench, task)
    assert found.version == found.upto == 302
    # What is gone is told run by run, and with what is there it makes every version, each once.
    told = [number for first, last in found.missing for number in range(first, last + 1)]
    assert sorted([*told, *(event.version for event in found.events)]) == list(range(1, 303))
    assert found.missing[:3] == [(1, 2), (4, 4), (6, 6)]
    assert found.missing[-1] == (102, 102)


@pytest.mark.parametrize("most", [1, 7, 50, 256])
async def test_pages_put_together_are_the_whole(bench: Bench, most: int) -> None:
    task, run = await bench.running()
    for number in range(90):
        told = (number / 1000, "") if number % 3 else None
        texts = [f"{number}.{each}" for each in range(number % 5)]
        await bench.run(calls.report(bench.keys, task.task_id, run, told, lines(*texts)))
    whole = await replayed(bench, task)
    assert whole.version == whole.upto > EVENTS_KEPT
    events, missing, after = [], [], 0
    while after < whole.version:
        page = await bench.run(replay(bench.keys, task.task_id, after, most))
        assert len(page.events) <= 2 * most
        assert (page.after, page.version) == (after, whole.version)
        assert page.upto > after
        events += page.events
        missing += [number for first, last in page.missing for number in range(first, last + 1)]
        after = page.upto
    assert events == whole.events
    assert missing == [number for first, last in whole.missing for number in range(first, last + 1)]


@pytest.mark.parametrize("buried", ["", "rejected", "deleted"])
async def test_of_a_task_that_is_not_there_nothing_is_replayed(bench: Bench, buried: str) -> None:
    task = record()
    if buried == "rejected":
        await bench.run(calls.reject(bench.keys, task.task_id))
    if buried == "deleted":
        task = await bench.in_state(State.FAILED)
        await bench.run(calls.forget(bench.keys, task.task_id))
    assert await replayed(bench, task) == Replay([], 0, "")


async def test_a_task_queued_again_goes_on_in_the_same_numbering(bench: Bench) -> None:
    task = await bench.in_state(State.FAILED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    found = await replayed(bench, task, 3)
    assert [(event.version, event.status) for event in found.events] == [(4, "queued")]
    assert not found.ended
