"""What people do to tasks: cancel, retry, forget; and a task that no worker could start."""

import json

import msgspec
import pytest

from callboard.store import calls
from callboard.store.scripts import Call
from callboard.tasks.record import TaskRecord, view
from callboard.tasks.states import TERMINAL, State
from tests.contract.store.bench import ERROR, TTL_S, Bench, index, record

WAITING = [State.SCHEDULED, State.QUEUED, State.RETRYING]


def cancel(bench: Bench, task: TaskRecord) -> Call[tuple[str, str]]:
    return calls.cancel(bench.keys, task.task_id, TTL_S)


async def attempts_shown(bench: Bench, task: TaskRecord) -> list[tuple[int, str]]:
    answer = json.loads(msgspec.json.encode(view(await bench.read(task))))
    return [(each["attempt"], each["status"]) for each in answer["history"]]


@pytest.mark.parametrize("state", WAITING)
async def test_a_waiting_task_is_cancelled_at_once(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.now_ms()
    assert await bench.run(cancel(bench, task)) == ("done", state)
    found = await bench.read(task)
    assert found.status is State.CANCELLED
    assert before <= (found.finished_at or 0) <= bench.now_ms()
    assert bench.holding(task) - {"outbox"} == {"all", index(task, State.CANCELLED)}
    assert TTL_S - 60 <= bench.ttl_s(f"task:{task.task_id}") <= TTL_S


@pytest.mark.parametrize("state", WAITING)
async def test_the_message_of_a_cancelled_task_never_runs(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    attempt = (await bench.read(task)).attempts
    await bench.run(cancel(bench, task))
    assert await bench.claim(task, attempt) == calls.Claim("skip", why="cancelled")


async def test_a_running_task_is_asked_to_stop(bench: Bench) -> None:
    task, _ = await bench.running()
    assert await bench.run(cancel(bench, task)) == ("asked", State.RUNNING)
    found = await bench.read(task)
    assert (found.status, found.cancel_requested) == (State.RUNNING, True)


async def test_a_run_that_ends_before_it_hears_of_the_cancel_keeps_its_result(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(cancel(bench, task))
    assert await bench.conclude(task, run, State.SUCCEEDED, result=b"1") == "recorded"
    found = await bench.read(task)
    assert (found.status, found.cancel_requested) == (State.SUCCEEDED, False)


async def test_a_cancel_that_was_asked_survives_the_loss_of_the_worker(bench: Bench) -> None:
    task, _ = await bench.running()
    await bench.run(cancel(bench, task))
    bench.lapse(task)
    successor = await bench.claim(task)
    assert await bench.run(calls.report(bench.keys, task.task_id, successor.run, None)) == "cancel"


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_an_ended_task_cannot_be_cancelled(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(cancel(bench, task)) == ("refused", state)
    assert bench.raw(task) == before


@pytest.mark.parametrize("tombstone", ["none", "rejected", "deleted"])
async def test_what_is_not_there_can_be_neither_cancelled_nor_retried_nor_forgotten(
    bench: Bench, tombstone: str
) -> None:
    task = record()
    if tombstone == "rejected":
        await bench.run(calls.reject(bench.keys, task.task_id))
    if tombstone == "deleted":
        task = await bench.in_state(State.FAILED)
        await bench.run(calls.forget(bench.keys, task.task_id))
    assert await bench.run(cancel(bench, task)) == ("absent", "")
    assert await bench.run(calls.requeue(bench.keys, task.task_id)) == ("absent", "")
    assert await bench.run(calls.forget(bench.keys, task.task_id)) == ("absent", "")
    assert await bench.run(calls.fail_unclaimed(bench.keys, task.task_id, ERROR, TTL_S)) == "stale"
    assert await bench.absent(task)


async def test_a_task_cancelled_between_attempts_shows_each_attempt_once(bench: Bench) -> None:
    task, _ = await bench.retrying()
    await bench.run(cancel(bench, task))
    assert await attempts_shown(bench, task) == [(1, "retrying")]
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert await attempts_shown(bench, task) == [(1, "retrying")]


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_a_task_that_did_not_succeed_can_be_queued_again(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    assert await bench.run(calls.requeue(bench.keys, task.task_id)) == ("queued", state)
    found = await bench.read(task)
    assert (found.status, found.attempts, found.progress, found.stage) == (State.QUEUED, 1, 0.0, None)
    assert (found.started_at, found.finished_at, found.worker, found.eta) == (None, None, None, None)
    assert bytes(found.error) == bytes(found.result) == b"null"
    assert bench.holding(task) == {"all", index(task, State.QUEUED), "outbox"}
    assert bench.ttl_s(f"task:{task.task_id}") == -1


async def test_a_task_cancelled_before_it_ran_can_be_queued_again(bench: Bench) -> None:
    task = await bench.in_state(State.SCHEDULED)
    await bench.run(cancel(bench, task))
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert await attempts_shown(bench, task) == []
    assert (await bench.claim(task)).attempt == 1


async def test_a_retried_task_keeps_its_attempts_and_gets_a_fresh_budget(bench: Bench) -> None:
    task, _ = await bench.ended(State.FAILED, max_retries=2, attempt_limit=3)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    claim = await bench.claim(task, 1)
    assert (claim.attempt, claim.attempt_limit) == (2, 4)
    await bench.conclude(task, claim.run, State.SUCCEEDED, result=b"1")
    assert await attempts_shown(bench, task) == [(1, "failed"), (2, "succeeded")]


async def test_the_log_of_a_retried_task_stays(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.report(bench.keys, task.task_id, run, None, [calls.LogLine("INFO", 1, "one")]))
    await bench.conclude(task, run, State.FAILED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert bench.ttl_s(f"task:{task.task_id}:log") == -1
    assert [each["message"] for each in await bench.log(task)] == ["one"]


async def test_a_retry_forgets_that_a_cancel_was_asked(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(cancel(bench, task))
    await bench.conclude(task, run, State.CANCELLED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    claim = await bench.claim(task, 1)
    assert await bench.run(calls.report(bench.keys, task.task_id, claim.run, None)) == "ok"


async def test_the_old_message_of_a_retried_task_is_skipped(bench: Bench) -> None:
    task = await bench.in_state(State.FAILED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert await bench.claim(task, 0) == calls.Claim("skip", why="stale")


@pytest.mark.parametrize("state", sorted(set(State) - {State.FAILED, State.CANCELLED}))
async def test_other_tasks_cannot_be_queued_again(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(calls.requeue(bench.keys, task.task_id)) == ("refused", state)
    assert bench.raw(task) == before


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_a_forgotten_task_leaves_only_its_tombstone(bench: Bench, state: State) -> None:
    task, run = await bench.running(tags=("a",))
    lines = [calls.LogLine("INFO", 1, "one")]
    await bench.run(calls.report(bench.keys, task.task_id, run, None, lines))
    await bench.conclude(task, run, state)
    assert await bench.run(calls.forget(bench.keys, task.task_id)) == ("deleted", state)
    assert await bench.absent(task)
    assert await bench.log(task) == []
    assert bench.holding(task) == set()
    assert bench.raw(task) == {"status": "deleted"}
    ttl_s = bench.ttl_s(f"task:{task.task_id}")
    assert calls.TOMBSTONE_TTL_S - 60 <= ttl_s <= calls.TOMBSTONE_TTL_S


@pytest.mark.parametrize("state", sorted(set(State) - TERMINAL))
async def test_a_task_that_has_not_ended_cannot_be_forgotten(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(calls.forget(bench.keys, task.task_id)) == ("refused", state)
    assert bench.raw(task) == before


@pytest.mark.parametrize("state", WAITING)
async def test_a_task_that_no_worker_can_start_fails(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    assert await bench.run(calls.fail_unclaimed(bench.keys, task.task_id, ERROR, TTL_S)) == "recorded"
    found = await bench.read(task)
    assert (found.status, bytes(found.error)) == (State.FAILED, ERROR)
    assert found.finished_at is not None
    assert bench.holding(task) - {"outbox"} == {"all", index(task, State.FAILED)}
    assert TTL_S - 60 <= bench.ttl_s(f"task:{task.task_id}") <= TTL_S


@pytest.mark.parametrize("state", WAITING)
async def test_it_fails_by_way_of_the_queue(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    await bench.run(calls.fail_unclaimed(bench.keys, task.task_id, ERROR, TTL_S))
    assert [event.status for event in bench.events(task)][-2:] == ["queued", "failed"]


async def test_a_task_that_fails_unstarted_between_attempts_shows_each_attempt_once(bench: Bench) -> None:
    task, _ = await bench.retrying()
    await bench.run(calls.fail_unclaimed(bench.keys, task.task_id, ERROR, TTL_S))
    assert await attempts_shown(bench, task) == [(1, "retrying")]


@pytest.mark.parametrize("state", [State.RUNNING, *sorted(TERMINAL)])
async def test_a_task_that_was_started_or_has_ended_does_not_fail_that_way(
    bench: Bench, state: State
) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(calls.fail_unclaimed(bench.keys, task.task_id, ERROR, TTL_S)) == "stale"
    assert bench.raw(task) == before


DAY_MS = 86_400_000


async def test_a_cancelled_task_never_runs_though_its_record_expires_before_its_message_comes(
    bench: Bench,
) -> None:
    """RESULT_TTL may be a minute and the delay a month; a message without a record is run otherwise."""
    task = await bench.create(status=State.SCHEDULED, eta=bench.now_ms() + 30 * DAY_MS)
    assert await bench.run(calls.cancel(bench.keys, task.task_id, 60)) == ("done", "scheduled")
    bench.client.delete(bench.keys.task(task.task_id))  # as its life of a minute does
    assert (await bench.claim(task)).kind == (await bench.rebuild(task)).kind == "skip"
    assert await bench.absent(task)
    assert 36 * 86_400 < bench.ttl_s(f"task:{task.task_id}:gone") <= 37 * 86_400 + 1


async def test_a_cancelled_task_that_is_queued_again_runs_whenever_its_message_comes(bench: Bench) -> None:
    task = await bench.in_state(State.SCHEDULED)
    await bench.run(calls.cancel(bench.keys, task.task_id, 60))
    await bench.run(calls.requeue(bench.keys, task.task_id))
    bench.client.delete(bench.keys.task(task.task_id))
    assert (await bench.rebuild(task)).kind == "run"


async def test_what_waits_no_longer_than_its_record_lives_needs_nothing_more(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.cancel(bench.keys, task.task_id, 7 * 86_400))
    assert f"task:{task.task_id}:gone" not in bench.names()


async def test_tombstones_outlive_the_delay_of_their_message(bench: Bench) -> None:
    rejected = await bench.create(status=State.SCHEDULED, eta=bench.now_ms() + 30 * DAY_MS)
    assert await bench.run(calls.reject(bench.keys, rejected.task_id)) == "rejected"
    deleted = await bench.create(status=State.SCHEDULED, eta=bench.now_ms() + 30 * DAY_MS)
    await bench.run(calls.cancel(bench.keys, deleted.task_id, 60))
    await bench.run(calls.forget(bench.keys, deleted.task_id))
    for task in (rejected, deleted):
        assert bench.ttl_s(f"task:{task.task_id}") > 36 * 86_400


async def test_a_retry_that_was_cancelled_meanwhile_never_runs_either(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.cancel(bench.keys, task.task_id, 60))
    await bench.conclude(task, run, State.RETRYING, due_ms=bench.now_ms() + 30 * DAY_MS)
    bench.client.delete(bench.keys.task(task.task_id))
    assert (await bench.claim(task, 1)).kind == "skip"
