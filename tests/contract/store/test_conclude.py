"""The end of a run: one recorded end per run, and none by a run that was taken over."""

import json

import pytest

from callboard.store import calls
from callboard.tasks.states import TERMINAL, State
from tests.contract.store.bench import ERROR, FAR_MS, TTL_S, Bench, index, record


async def test_success_is_recorded_with_its_result(bench: Bench) -> None:
    task, run = await bench.running()
    before = bench.now_ms()
    assert await bench.conclude(task, run, State.SUCCEEDED, result=b'{"n":[1,2.50]}') == "recorded"
    found = await bench.read(task)
    assert (found.status, found.progress) == (State.SUCCEEDED, 1.0)
    assert bytes(found.result) == b'{"n":[1,2.50]}'
    assert bytes(found.error) == b"null"
    assert before <= (found.finished_at or 0) <= bench.now_ms()


async def test_failure_is_recorded_with_its_error(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "PROCESSING")))
    assert await bench.conclude(task, run, State.FAILED, error=ERROR) == "recorded"
    found = await bench.read(task)
    assert (found.status, found.progress, found.stage) == (State.FAILED, 0.5, "PROCESSING")
    assert json.loads(bytes(found.error)) == {"type": "ValueError", "message": "no", "traceback": None}
    assert bytes(found.result) == b"null"


async def test_a_cancelled_run_ends_cancelled(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.cancel(bench.keys, task.task_id, TTL_S))
    assert await bench.conclude(task, run, State.CANCELLED) == "recorded"
    found = await bench.read(task)
    assert (found.status, found.cancel_requested) == (State.CANCELLED, False)


async def test_a_run_that_was_asked_to_stop_and_failed_by_itself_is_not_tried_again(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.cancel(bench.keys, task.task_id, TTL_S))
    assert await bench.conclude(task, run, State.RETRYING, error=ERROR, due_ms=1) == "cancelled"
    found = await bench.read(task)
    assert (found.status, bytes(found.error)) == (State.CANCELLED, ERROR)
    assert "due" not in bench.holding(task)
    assert await bench.claim(task, 1) == calls.Claim("skip", why="cancelled")


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_an_ended_task_moves_index_and_expires_with_its_log(bench: Bench, state: State) -> None:
    task, run = await bench.running()
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    lines = [calls.LogLine("INFO", 1, "one")]
    await bench.run(calls.report(bench.keys, task.task_id, run, None, lines))
    await bench.conclude(task, run, state)
    assert bench.holding(task) == {"all", index(task, state)}
    assert TTL_S - 60 <= bench.ttl_s(f"task:{task.task_id}") <= TTL_S
    assert TTL_S - 60 <= bench.ttl_s(f"task:{task.task_id}:log") <= TTL_S


async def test_a_retry_waits_for_its_time_and_does_not_expire(bench: Bench) -> None:
    task, _ = await bench.retrying(FAR_MS)
    found = await bench.read(task)
    assert (found.status, found.eta, found.finished_at) == (State.RETRYING, FAR_MS, None)
    assert bytes(found.error) == ERROR
    assert bench.holding(task) >= {"all", "due", index(task, State.RETRYING)}
    assert bench.score("due", task) == FAR_MS
    assert bench.ttl_s(f"task:{task.task_id}") == -1


async def test_a_retried_attempt_is_in_the_history(bench: Bench) -> None:
    task, _ = await bench.retrying()
    found = await bench.read(task)
    (ended,) = await bench.history(task)
    assert (ended["attempt"], ended["status"], ended["worker"]) == (1, "retrying", "host:1")
    assert ended["started_at"] == found.started_at <= ended["finished_at"]
    assert ended["error"] == json.loads(ERROR)


async def test_success_after_a_retry_clears_the_error_but_not_the_history(bench: Bench) -> None:
    task, _ = await bench.retrying()
    run = (await bench.claim(task, 1)).run
    await bench.conclude(task, run, State.SUCCEEDED, result=b"1")
    assert bytes((await bench.read(task)).error) == b"null"
    assert [each["attempt"] for each in await bench.history(task)] == [1]


async def test_a_retry_without_an_error_is_recorded_without_one(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    assert (await bench.history(task))[0]["error"] is None
    assert bytes((await bench.read(task)).error) == b"null"


async def test_a_free_retry_does_not_use_up_an_attempt(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.RETRYING, due_ms=1, free=True)
    assert (await bench.claim(task, 1)).attempt_limit == 5


async def test_an_ordinary_retry_does_not_add_an_attempt(bench: Bench) -> None:
    task, _ = await bench.retrying()
    assert (await bench.claim(task, 1)).attempt_limit == 4


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RETRYING])
async def test_an_end_sent_twice_is_recorded_once(bench: Bench, state: State) -> None:
    task, run = await bench.running()
    assert await bench.conclude(task, run, state, due_ms=FAR_MS) == "recorded"
    before = bench.raw(task)
    assert await bench.conclude(task, run, state, due_ms=FAR_MS) == "repeated"
    assert bench.raw(task) == before


async def test_an_end_sent_again_after_the_next_attempt_started_is_not_recorded(bench: Bench) -> None:
    task, run = await bench.retrying()
    await bench.claim(task, 1)
    before = bench.raw(task)
    assert await bench.conclude(task, run, State.RETRYING, due_ms=1) in ("repeated", "stale")
    assert bench.raw(task) == before


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RETRYING])
async def test_a_run_that_was_taken_over_records_nothing(bench: Bench, state: State) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    successor = await bench.claim(task, worker="host:2")
    before = bench.raw(task)
    assert await bench.conclude(task, run, state, result=b'"old"', error=ERROR, due_ms=1) == "stale"
    assert bench.raw(task) == before
    assert await bench.conclude(task, successor.run, State.SUCCEEDED, result=b'"new"') == "recorded"
    before = bench.raw(task)
    assert await bench.conclude(task, run, state, result=b'"old"', error=ERROR, due_ms=1) == "stale"
    assert bench.raw(task) == before


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
async def test_a_task_that_never_ran_cannot_be_ended_by_a_run(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    assert await bench.conclude(task, 1, State.SUCCEEDED) == "stale"
    assert (await bench.read(task)).status is state


async def test_a_task_that_is_not_there_cannot_be_ended(bench: Bench) -> None:
    task = record()
    assert await bench.conclude(task, 1, State.SUCCEEDED) == "absent"
    assert bench.names() == set()


async def test_the_last_progress_is_written_with_the_end(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.FAILED, progress=(0.75, "CONCLUDING"))
    found = await bench.read(task)
    assert (found.progress, found.stage) == (0.75, "CONCLUDING")


async def test_success_is_complete_whatever_was_reported_last(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.SUCCEEDED, result=b"1", progress=(0.75, "CONCLUDING"))
    found = await bench.read(task)
    assert (found.progress, found.stage) == (1.0, "CONCLUDING")


async def test_the_end_is_one_event(bench: Bench) -> None:
    task, _ = await bench.ended(State.SUCCEEDED)
    event = bench.events(task)[-1]
    assert (event.version, event.kind, event.status, event.attempt) == (3, "state", "succeeded", 1)
    assert event.progress == 1.0


async def test_a_long_history_loses_its_oldest_attempts_first(bench: Bench) -> None:
    task = await bench.create()
    error = json.dumps({"type": "E", "message": "x" * 20_000, "traceback": None}).encode()
    for attempt in range(6):
        run = (await bench.claim(task, attempt)).run
        await bench.conclude(task, run, State.RETRYING, error=error, due_ms=1, free=True)
    attempts = [each["attempt"] for each in await bench.history(task)]
    assert attempts == [4, 5, 6]


async def test_one_attempt_is_kept_however_long_its_error_is(bench: Bench) -> None:
    task, run = await bench.running()
    error = json.dumps({"type": "E", "message": "x" * 100_000, "traceback": None}).encode()
    await bench.conclude(task, run, State.RETRYING, error=error, due_ms=1)
    assert [each["attempt"] for each in await bench.history(task)] == [1]


async def test_every_end_counts_in_the_statistics_of_its_minute(bench: Bench) -> None:
    minute = bench.now_ms() // 60_000
    await bench.ended(State.SUCCEEDED)
    await bench.ended(State.SUCCEEDED, task_type="sentiment")
    await bench.ended(State.FAILED)
    await bench.retrying()
    found: dict[str, int] = {}
    for later in range(2):  # the minute may have ended meanwhile
        name = f"stats:{minute + later}"
        for field, number in bench.hash(name).items():
            found[field] = found.get(field, 0) + int(number)
            assert bench.ttl_s(name) >= 86_400
    counted = {field: number for field, number in found.items() if field.count("|") == 1}
    assert counted == {
        "reverse_text|succeeded": 1, "sentiment|succeeded": 1, "reverse_text|failed": 1,
        "reverse_text|retrying": 1,
    }  # fmt: skip
    for kind in ("run", "wait"):
        assert sum(n for field, n in found.items() if field.startswith(f"reverse_text|{kind}|")) == 3
        assert sum(n for field, n in found.items() if field.startswith(f"sentiment|{kind}|")) == 1


async def test_a_wait_is_counted_from_when_the_task_was_ready(bench: Bench) -> None:
    now = bench.now_ms()
    task = await bench.create(created_at=now - 86_400_000, status=State.SCHEDULED, eta=now - 1)
    claim = await bench.claim(task)
    await bench.conclude(task, claim.run, State.SUCCEEDED)
    (name,) = (name for name in bench.names() if name.startswith("stats:"))
    (bucket,) = (int(field.split("|")[2]) for field in bench.hash(name) if "|wait|" in field)
    assert 2 ** (bucket / 2) < 600_000  # milliseconds: not the day since it was created


async def test_a_wait_is_counted_from_when_somebody_retried_it(bench: Bench) -> None:
    task, _ = await bench.ended(State.FAILED, created_at=bench.now_ms() - 86_400_000)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    claim = await bench.claim(task, 1)
    await bench.conclude(task, claim.run, State.SUCCEEDED)
    assert 0 <= claim.waited_ms < 600_000
    (name,) = (name for name in bench.names() if name.startswith("stats:"))
    waits = sorted(int(field.split("|")[2]) for field in bench.hash(name) if "|wait|" in field)
    assert len(waits) == 2
    assert 2 ** (waits[0] / 2) < 600_000 < 80_000_000 < 2 ** (waits[1] / 2)  # the first run: a day


async def test_a_claim_says_how_long_the_attempt_could_have_run(bench: Bench) -> None:
    now = bench.now_ms()
    task = await bench.create(created_at=now - 86_400_000, status=State.SCHEDULED, eta=now - 5_000)
    assert 5_000 <= (await bench.claim(task)).waited_ms < 600_000
