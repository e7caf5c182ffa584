"""Every change of a record is one event: kept under its version and published once, on both channels."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import structs

from callboard.store import calls
from callboard.tasks.events import EVENTS_KEPT, Event
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import State
from tests.contract.store.bench import ERROR, FAR_MS, TTL_S, Bench, Watcher

Watch = Callable[[Bench], Watcher]


async def whole_life(bench: Bench) -> TaskRecord:
    """Take a task through every kind of change."""
    task = await bench.create(status=State.SCHEDULED, eta=1)
    keys, task_id = bench.keys, task.task_id
    await bench.run(calls.promote_due(keys))
    run = (await bench.claim(task)).run
    await bench.run(calls.report(keys, task_id, run, (0.25, 'ST"ART|é\n')))
    await bench.run(calls.report(keys, task_id, run, (0.5, ""), [calls.LogLine("INFO", 7, 'say "hi"\n')]))
    bench.lapse(task)
    run = (await bench.claim(task)).run
    await bench.conclude(task, run, State.RETRYING, error=ERROR, due_ms=1, progress=(0.75, "LATE"))
    await bench.run(calls.promote_due(keys))
    run = (await bench.claim(task, 1)).run
    await bench.run(calls.cancel(keys, task_id, TTL_S))
    await bench.conclude(task, run, State.CANCELLED)
    await bench.run(calls.requeue(keys, task_id))
    await bench.run(calls.cancel(keys, task_id, TTL_S))
    await bench.run(calls.requeue(keys, task_id))
    await bench.run(calls.fail_unclaimed(keys, task_id, ERROR, TTL_S))
    await bench.run(calls.requeue(keys, task_id))
    run = (await bench.claim(task, 2)).run
    await bench.conclude(task, run, State.SUCCEEDED, result=b"1")
    return task


async def test_a_whole_life_is_heard_version_by_version_on_the_tasks_own_channel(
    bench: Bench, watch: Watch
) -> None:
    watcher = watch(bench)
    task = await whole_life(bench)
    heard = [json.loads(data) for name, data in watcher.heard() if name == f"task:{task.task_id}:updates"]
    assert [message["version"] for message in heard] == list(range(1, len(heard) + 1))
    assert heard[-1]["version"] == (await bench.read(task)).version
    assert {message["task_id"] for message in heard} == {task.task_id}
    assert [message["status"] for message in heard if message["kind"] == "state"] == [
        "scheduled", "queued", "running", "running", "retrying", "queued", "running", "cancelled",
        "queued", "cancelled", "queued", "failed", "queued", "running", "succeeded",
    ]  # fmt: skip


async def test_the_channel_of_all_tasks_carries_the_same_messages_in_the_same_order(
    bench: Bench, watch: Watch
) -> None:
    watcher = watch(bench)
    one, other = await whole_life(bench), await whole_life(bench)
    heard = watcher.heard()
    own = [data for name, data in heard if name.endswith(":updates")]
    assert [data for name, data in heard if name == "task_updates"] == own
    assert {name for name, _ in heard} == {
        f"task:{one.task_id}:updates", f"task:{other.task_id}:updates", "task_updates", "cancel_requests",
    }  # fmt: skip


async def test_what_is_kept_is_what_was_heard(bench: Bench, watch: Watch) -> None:
    watcher = watch(bench)
    task = await whole_life(bench)
    own = f"task:{task.task_id}:updates"
    heard = [data for name, data in watcher.heard() if name == own and b'"kind":"log"' not in data]
    decoded = [msgspec.json.decode(data, type=Event) for data in heard]
    assert {(each.task_type, each.priority) for each in decoded} == {(task.task_type, task.priority.value)}
    assert bench.events(task) == [structs.replace(each, task_type="", priority="") for each in decoded]


async def test_a_log_line_is_heard_as_it_is_kept(bench: Bench, watch: Watch) -> None:
    watcher = watch(bench)
    task = await whole_life(bench)
    own = f"task:{task.task_id}:updates"
    heard = [json.loads(data) for name, data in watcher.heard() if name == own]
    lines = [message for message in heard if message["kind"] == "log"]
    assert [{**line, "kind": "log", "task_id": task.task_id} for line in await bench.log(task)] == lines
    assert lines[0]["message"] == 'say "hi"\n'


async def test_a_cancel_of_a_running_task_is_called_out_to_the_workers(bench: Bench, watch: Watch) -> None:
    task, _ = await bench.running()
    watcher = watch(bench)
    await bench.run(calls.cancel(bench.keys, task.task_id, TTL_S))
    assert watcher.heard() == [("cancel_requests", task.task_id.encode())]


async def test_what_changes_nothing_is_not_heard(bench: Bench, watch: Watch) -> None:
    task, run = await bench.ended(State.SUCCEEDED)
    running, _ = await bench.running()
    watcher = watch(bench)
    keys = bench.keys
    await bench.run(calls.create(keys, task, None))
    await bench.run(calls.settle(keys, [(task.task_id, task.version)]))
    await bench.run(calls.reject(keys, task.task_id))
    await bench.claim(task)
    await bench.claim(running)
    await bench.claim(running, due_ms=FAR_MS)
    await bench.conclude(task, run, State.SUCCEEDED)
    await bench.conclude(task, run + 1, State.FAILED)
    await bench.run(calls.report(keys, task.task_id, run, (0.1, "LATE"), [calls.LogLine("INFO", 1, "late")]))
    await bench.run(calls.beat(keys, "host:1", {"pid": 1}, [(running.task_id, 1)]))
    await bench.run(calls.release(keys, [(running.task_id, 1)]))
    await bench.run(calls.cancel(keys, task.task_id, TTL_S))
    await bench.run(calls.requeue(keys, task.task_id))
    await bench.run(calls.promote_due(keys))
    await bench.run(calls.take_outbox(keys, 0))
    await bench.run(calls.mark(keys, task.task_id, "sent"))
    assert watcher.heard() == []


async def test_events_carry_redis_time_and_never_go_back(bench: Bench) -> None:
    before = bench.now_ms()
    task = await whole_life(bench)
    times = [event.at_ms for event in bench.events(task)]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= bench.now_ms()


async def test_the_newest_two_hundred_events_are_kept(bench: Bench) -> None:
    task, run = await bench.running()
    for number in range(EVENTS_KEPT + 20):
        await bench.run(calls.report(bench.keys, task.task_id, run, (number / 1000, "")))
    kept = [event.version for event in bench.events(task)]
    assert kept == list(range(23, EVENTS_KEPT + 23))


async def test_log_lines_count_towards_the_events_that_are_kept(bench: Bench) -> None:
    task, run = await bench.running()
    for _ in range(10):
        await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "")))
    lines = [calls.LogLine("INFO", 1, str(n)) for n in range(EVENTS_KEPT - 5)]
    await bench.run(calls.report(bench.keys, task.task_id, run, None, lines))
    versions = [event.version for event in bench.events(task)]
    assert versions == [8, 9, 10, 11, 12]
    assert (await bench.read(task)).version - versions[0] == EVENTS_KEPT - 1


@pytest.mark.parametrize("stage", ["", "a", 'q"uote\\', "t\tn\nr\r\x00\x1f\x7f", "</script>", "\u2028é😀"])
async def test_a_stage_of_any_characters_is_published_as_valid_json(
    bench: Bench, watch: Watch, stage: str
) -> None:
    task, run = await bench.running()
    watcher = watch(bench)
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, stage)))
    messages: list[Any] = [json.loads(data) for _, data in watcher.heard()]
    assert [message["stage"] for message in messages] == [stage or None] * 2
