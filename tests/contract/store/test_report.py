"""A run that goes on: its progress, its log, its heartbeat, what it marks."""

import pytest

from callboard.store import calls
from callboard.store.scripts import Call
from callboard.tasks.states import State
from tests.contract.store.bench import Bench, record

FIELDS: dict[str, str | int | float] = {
    "host": "host",
    "pid": 1,
    "queues": "default,email",
    "cpu_percent": 1.5,
}


def line(text: str, level: str = "INFO", at_ms: int = 1000) -> calls.LogLine:
    return calls.LogLine(level, at_ms, text)


async def test_progress_is_written(bench: Bench) -> None:
    task, run = await bench.running()
    assert await bench.run(calls.report(bench.keys, task.task_id, run, (0.25, "STARTED"))) == "ok"
    found = await bench.read(task)
    assert (found.progress, found.stage, found.status) == (0.25, "STARTED", State.RUNNING)


@pytest.mark.parametrize("stage", ["", 'a"b\\c', "a|b", "schön 😀", "line\nbreak\ttab", "</script>"])
async def test_a_stage_may_be_any_text(bench: Bench, stage: str) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, stage)))
    assert (await bench.read(task)).stage == (stage or None)
    assert bench.events(task)[-1].stage == (stage or None)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1e-9, 0.1 + 0.2])
async def test_a_fraction_comes_back_exactly(bench: Bench, fraction: float) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (fraction, "")))
    assert (await bench.read(task)).progress == fraction
    assert bench.events(task)[-1].progress == fraction


async def test_progress_is_one_event(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "PROCESSING")))
    event = bench.events(task)[-1]
    assert (event.version, event.kind, event.status, event.attempt) == (3, "progress", "running", 1)


async def test_log_lines_are_kept_in_order_with_their_attempt(bench: Bench) -> None:
    task, run = await bench.running()
    lines = [line("one"), line('two "quoted" ä\n', "WARNING", 2000)]
    assert await bench.run(calls.report(bench.keys, task.task_id, run, None, lines)) == "ok"
    assert await bench.log(task) == [
        {"version": 3, "at_ms": 1000, "attempt": 1, "level": "INFO", "message": "one"},
        {"version": 4, "at_ms": 2000, "attempt": 1, "level": "WARNING", "message": 'two "quoted" ä\n'},
    ]
    assert (await bench.read(task)).version == 4


async def test_lines_and_progress_travel_together(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "PROCESSING"), [line("one")]))
    assert [each["version"] for each in await bench.log(task)] == [3]
    assert bench.events(task)[-1].version == 4


async def test_a_report_of_nothing_changes_nothing(bench: Bench) -> None:
    task, run = await bench.running()
    before = bench.raw(task)
    assert await bench.run(calls.report(bench.keys, task.task_id, run, None)) == "ok"
    assert bench.raw(task) == before
    assert await bench.log(task) == []


async def test_the_newest_thousand_log_lines_are_kept(bench: Bench) -> None:
    task, run = await bench.running()
    for start in range(0, 1200, 300):
        lines = [line(str(start + n)) for n in range(300)]
        await bench.run(calls.report(bench.keys, task.task_id, run, None, lines))
    kept = [each["message"] for each in await bench.log(task)]
    assert kept == [str(n) for n in range(200, 1200)]


async def test_a_run_that_was_taken_over_can_no_longer_report(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    await bench.claim(task)
    before = bench.raw(task)
    assert (
        await bench.run(calls.report(bench.keys, task.task_id, run, (0.9, "LATE"), [line("late")])) == "stale"
    )
    assert bench.raw(task) == before
    assert await bench.log(task) == []


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RETRYING])
async def test_a_run_that_has_ended_can_no_longer_report(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(calls.report(bench.keys, task.task_id, 1, (0.9, "LATE"))) == "stale"
    assert bench.raw(task) == before


async def test_nothing_can_be_reported_of_a_task_that_is_not_there(bench: Bench) -> None:
    task = record()
    assert await bench.run(calls.report(bench.keys, task.task_id, 1, (0.9, ""), [line("late")])) == "stale"
    assert bench.names() == set()


async def test_a_report_is_answered_with_a_cancel_that_was_asked(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.cancel(bench.keys, task.task_id, 3600))
    assert await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, ""))) == "cancel"
    assert (await bench.read(task)).progress == 0.5


async def test_a_heartbeat_lists_the_worker_for_a_while(bench: Bench) -> None:
    before = bench.now_ms()
    assert await bench.run(calls.beat(bench.keys, "host:1", FIELDS, [])) == []
    kept = bench.hash("worker:host:1")
    assert (kept["host"], kept["cpu_percent"]) == ("host", "1.5")
    assert before <= int(kept["last_heartbeat"]) <= bench.now_ms()
    assert calls.WORKER_KEPT_S - 1 <= bench.ttl_s("worker:host:1") <= calls.WORKER_KEPT_S
    assert bench.client.zrange(f"{bench.keys.prefix}workers", 0, -1) == [b"host:1"]


async def test_a_worker_that_stops_in_good_order_is_off_the_list_at_once(bench: Bench) -> None:
    await bench.run(calls.beat(bench.keys, "host:1", FIELDS, []))
    await bench.run(calls.beat(bench.keys, "host:2", FIELDS, []))
    await bench.run(calls.gone(bench.keys, "host:1"))
    assert bench.names() == {"worker:host:2", "workers"}
    assert bench.client.zrange(f"{bench.keys.prefix}workers", 0, -1) == [b"host:2"]


async def test_a_heartbeat_renews_the_leases_of_its_runs(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    assert await bench.run(calls.beat(bench.keys, "host:1", FIELDS, [(task.task_id, run)])) == ["ok"]
    assert (await bench.claim(task, worker="host:2")).kind == "busy"


async def test_a_heartbeat_tells_each_run_how_it_stands(bench: Bench) -> None:
    well, run = await bench.running()
    asked, _ = await bench.running()
    await bench.run(calls.cancel(bench.keys, asked.task_id, 3600))
    taken, _ = await bench.running()
    bench.lapse(taken)
    await bench.claim(taken)
    done, _ = await bench.ended(State.SUCCEEDED)
    runs = [(task.task_id, run) for task in (taken, well, done, asked, record())]
    answers = await bench.run(calls.beat(bench.keys, "host:1", FIELDS, runs))
    assert answers == ["stale", "ok", "stale", "cancel", "stale"]


async def test_a_stale_heartbeat_does_not_renew_the_lease_of_the_successor(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    await bench.claim(task)
    bench.lapse(task)
    await bench.run(calls.beat(bench.keys, "host:1", FIELDS, [(task.task_id, run)]))
    assert (await bench.claim(task)).kind == "run"


async def test_a_heartbeat_is_no_event(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.beat(bench.keys, "host:1", FIELDS, [(task.task_id, run)]))
    assert (await bench.read(task)).version == 2


async def test_a_mark_stays_across_attempts(bench: Bench) -> None:
    task, run = await bench.running()
    assert not await bench.run(calls.marked(bench.keys, task.task_id, "sent"))
    await bench.run(calls.mark(bench.keys, task.task_id, "sent"))
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    await bench.claim(task, 1)
    assert await bench.run(calls.marked(bench.keys, task.task_id, "sent"))
    assert not await bench.run(calls.marked(bench.keys, task.task_id, "other"))


async def test_lines_whose_answer_was_lost_are_not_kept_twice(bench: Bench) -> None:
    task, run = await bench.running()

    def write(first: int, *texts: str) -> Call[str]:
        return calls.report(bench.keys, task.task_id, run, None, [line(text) for text in texts], first)

    await bench.run(write(1, "one", "two"))
    await bench.run(write(1, "one", "two"))
    await bench.run(write(1, "one", "two", "three"))
    await bench.run(write(4, "four"))
    assert [each["message"] for each in await bench.log(task)] == ["one", "two", "three", "four"]
    bench.lapse(task)
    run = (await bench.claim(task)).run
    await bench.run(write(1, "again"))
    assert (await bench.log(task))[-1]["message"] == "again"


async def test_lines_that_came_too_fast_are_told(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, None, [line("one")], 1))
    await bench.run(calls.report(bench.keys, task.task_id, run, None, [line("five", "ERROR")], 5))
    found = [(each["level"], each["message"]) for each in await bench.log(task)]
    assert found == [
        ("INFO", "one"), ("WARNING", "3 lines came too fast and are not kept"), ("ERROR", "five"),
    ]  # fmt: skip
