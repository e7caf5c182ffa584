"""Claim: who may run a message, once; what happens when a worker dies."""

import pytest

from callboard.store import calls
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import FAR_MS, Bench, index, record


async def test_a_queued_task_runs(bench: Bench) -> None:
    task = await bench.create()
    before = bench.now_ms()
    assert await bench.claim(task, worker="host:7") == calls.Claim("run", run=1, attempt=1, attempt_limit=4)
    found = await bench.read(task)
    assert (found.status, found.attempts, found.worker) == (State.RUNNING, 1, "host:7")
    assert before <= (found.started_at or 0) <= bench.now_ms()
    assert bench.holding(task) >= {"all", index(task, State.RUNNING)}


async def test_a_run_starts_with_a_lease(bench: Bench) -> None:
    task = await bench.create()
    before = bench.now_ms()
    await bench.claim(task)
    lease_ms = int(bench.raw(task)["lease_ms"])
    assert before + calls.LEASE_MS <= lease_ms <= bench.now_ms() + calls.LEASE_MS


async def test_a_second_copy_waits_while_the_lease_is_held(bench: Bench) -> None:
    task, _ = await bench.running()
    before = bench.raw(task)
    claim = await bench.claim(task, worker="host:2")
    assert claim.kind == "busy"
    assert 0 < claim.wait_ms <= calls.LEASE_MS
    assert bench.raw(task) == before


async def test_a_task_is_taken_over_when_its_lease_has_ended(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    claim = await bench.claim(task, worker="host:2")
    assert claim == calls.Claim("run", run=run + 1, attempt=1, attempt_limit=4)
    found = await bench.read(task)
    assert (found.status, found.attempts, found.worker) == (State.RUNNING, 1, "host:2")


async def test_the_lost_worker_is_in_the_history(bench: Bench) -> None:
    task, _ = await bench.running()
    started_at = (await bench.read(task)).started_at
    bench.lapse(task)
    await bench.claim(task, worker="host:2")
    (lost,) = await bench.history(task)
    assert (lost["attempt"], lost["status"], lost["worker"]) == (1, "lost", "host:1")
    assert lost["started_at"] == started_at <= lost["finished_at"]
    assert lost["error"] == {"type": "WorkerLost", "message": "worker lost", "traceback": None}


async def test_a_task_taken_over_starts_again_from_nothing(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, (0.5, "PROCESSING")))
    bench.lapse(task)
    await bench.claim(task)
    found = await bench.read(task)
    assert (found.progress, found.stage) == (0.0, None)


async def test_a_released_run_can_be_taken_over_at_once(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.release(bench.keys, [(task.task_id, run)]))
    assert (await bench.claim(task, worker="host:2")).run == run + 1


async def test_a_stale_run_cannot_release_its_successor(bench: Bench) -> None:
    task, run = await bench.running()
    bench.lapse(task)
    await bench.claim(task)
    await bench.run(calls.release(bench.keys, [(task.task_id, run)]))
    assert (await bench.claim(task)).kind == "busy"


async def test_releasing_what_has_ended_changes_nothing(bench: Bench) -> None:
    task, run = await bench.ended(State.SUCCEEDED)
    before = bench.raw(task)
    await bench.run(calls.release(bench.keys, [(task.task_id, run), (record().task_id, 1)]))
    assert bench.raw(task) == before


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
async def test_a_copy_of_an_ended_task_is_skipped(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    for attempt in (0, 1):
        assert await bench.claim(task, attempt) == calls.Claim("skip", why=state.value)
    assert bench.raw(task) == before


async def test_a_task_cancelled_before_it_started_never_runs(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.cancel(bench.keys, task.task_id, 3600))
    assert await bench.claim(task) == calls.Claim("skip", why="cancelled")


async def test_a_forgotten_task_never_runs(bench: Bench) -> None:
    task = await bench.in_state(State.SUCCEEDED)
    await bench.run(calls.forget(bench.keys, task.task_id))
    assert await bench.claim(task, 1) == calls.Claim("skip", why="deleted")
    assert (await bench.rebuild(task)).kind == "skip"
    assert await bench.absent(task)


async def test_only_the_message_of_the_next_attempt_runs(bench: Bench) -> None:
    task, _ = await bench.retrying()
    assert await bench.claim(task, 0) == calls.Claim("skip", why="stale")
    assert (await bench.claim(task, 1)).attempt == 2


async def test_the_next_attempt_waits_until_the_end_of_this_one_is_recorded(bench: Bench) -> None:
    """A run sends its retry before it records it, and Redis may be away in between."""
    task, run = await bench.running()
    for from_now_ms in (5000, 0, 10_000 - calls.GIVEN_UP_MS):
        bench.lapse(task, bench.now_ms() + from_now_ms)
        claim = await bench.claim(task, 1, worker="host:2")
        assert claim.kind == "busy"
        assert 1000 <= claim.wait_ms <= 5000
    assert await bench.conclude(task, run, State.RETRYING, due_ms=1) == "recorded"
    assert (await bench.claim(task, 1, worker="host:2")).attempt == 2


async def test_the_next_attempt_runs_when_nobody_will_record_the_end_of_this_one(bench: Bench) -> None:
    """Redis has lost its last second, RabbitMQ has not."""
    task, _ = await bench.running()
    bench.lapse(task, bench.now_ms() - calls.GIVEN_UP_MS)
    claim = await bench.claim(task, 1)
    assert (claim.kind, claim.attempt, claim.apart) == ("run", 2, False)
    assert [entry["status"] for entry in await bench.history(task)] == ["lost"]


async def test_a_message_that_is_ahead_of_a_waiting_record_is_believed(bench: Bench) -> None:
    task = await bench.create()
    assert (await bench.claim(task, 2)).attempt == 3


async def test_a_task_whose_worker_died_before_it_could_stop_it_is_not_started_again(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.cancel(bench.keys, task.task_id, 3600))
    assert (await bench.claim(task, worker="host:2")).kind == "busy"
    bench.lapse(task)
    claim = await bench.claim(task, worker="host:2")
    assert claim == calls.Claim("cancelled", run=run + 1, attempt=1)
    assert await bench.conclude(task, claim.run, State.CANCELLED) == "recorded"


async def test_a_copy_of_an_earlier_attempt_is_skipped_while_a_later_one_runs(bench: Bench) -> None:
    task, _ = await bench.retrying()
    await bench.claim(task, 1)
    assert await bench.claim(task, 0) == calls.Claim("skip", why="stale")
    bench.lapse(task)
    assert await bench.claim(task, 0) == calls.Claim("skip", why="stale")
    assert (await bench.claim(task, 1)).kind == "run"


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
async def test_a_message_that_comes_too_early_is_sent_away(bench: Bench, state: State) -> None:
    task = await bench.create(status=state, eta=FAR_MS)
    claim = await bench.claim(task, due_ms=FAR_MS)
    assert claim.kind == "early"
    assert 0 < claim.wait_ms <= FAR_MS - bench.now_ms() + 1000
    assert (await bench.read(task)).status is state


async def test_a_message_whose_time_has_come_runs(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=1000)
    assert (await bench.claim(task, due_ms=1000)).kind == "run"
    assert "due" not in bench.holding(task)


async def test_a_scheduled_task_is_seen_queued_before_it_runs(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=1000)
    await bench.claim(task)
    assert [event.status for event in bench.events(task)] == ["scheduled", "queued", "running"]


async def test_the_next_attempt_after_a_retry_runs_with_its_own_number(bench: Bench) -> None:
    task, run = await bench.retrying()
    assert await bench.claim(task, 1) == calls.Claim("run", run=run + 1, attempt=2, attempt_limit=4)
    assert "due" not in bench.holding(task)


async def test_without_a_record_the_worker_is_told_so(bench: Bench) -> None:
    task = record()
    assert await bench.claim(task) == calls.Claim("absent")
    assert await bench.absent(task)


async def test_a_lost_record_is_rebuilt_from_its_message(bench: Bench) -> None:
    task = record(priority=Priority.LOW, queue="email", tags=("a", "b"))
    assert await bench.rebuild(task) == calls.Claim("run", run=1, attempt=1, attempt_limit=4)
    found = await bench.read(task)
    assert found.status is State.RUNNING
    for name in ("task_type", "priority", "queue", "parameters", "max_retries", "time_limit_ms"):
        assert getattr(found, name) == getattr(task, name), name
    assert (found.created_at, found.tags, found.attempt_limit) == (task.created_at, task.tags, 4)
    assert bench.holding(task) == {"all", "tag:a", "tag:b", index(task, State.RUNNING)}
    assert [event.status for event in bench.events(task)] == ["queued", "running"]


async def test_a_lost_record_goes_on_with_the_attempt_of_its_message(bench: Bench) -> None:
    task = record(attempts=2)
    assert (await bench.rebuild(task)).attempt == 3


async def test_a_rebuilt_task_still_waits_for_its_time(bench: Bench) -> None:
    task = record()
    assert (await bench.rebuild(task, due_ms=FAR_MS)).kind == "early"
    assert (await bench.read(task)).status in (State.SCHEDULED, State.QUEUED)


async def test_a_rebuilt_record_is_complete_from_its_start_to_its_end(bench: Bench) -> None:
    task = record()
    claim = await bench.rebuild(task)
    assert await bench.conclude(task, claim.run, State.SUCCEEDED, result=b"1") == "recorded"


async def test_a_record_that_is_there_is_not_rebuilt(bench: Bench) -> None:
    task = await bench.create(queue="email")
    message = record(task_id=task.task_id, queue="other", attempts=0)
    assert (await bench.rebuild(message)).kind == "run"
    assert (await bench.read(task)).queue == "email"


async def test_run_numbers_never_repeat(bench: Bench) -> None:
    task, run = await bench.running()
    runs = [run]
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    runs.append((await bench.claim(task, 1)).run)
    bench.lapse(task)
    runs.append((await bench.claim(task, 1)).run)
    await bench.conclude(task, runs[-1], State.FAILED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    runs.append((await bench.claim(task, 2)).run)
    assert runs == [1, 2, 3, 4]
