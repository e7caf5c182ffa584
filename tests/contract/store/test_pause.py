"""Paused queues: every claim asks, whatever its worker knows; and how many tasks came in when."""

from collections.abc import Callable

import pytest

from callboard.store import adrift, calls, queues, workers
from callboard.tasks.ids import created_ms
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import FAR_MS, TTL_S, Bench, Watcher

CHANGES = "queue_changes"


async def test_a_pause_is_remembered_with_its_time_and_told(
    bench: Bench, watch: Callable[[Bench], Watcher]
) -> None:
    watcher = watch(bench)
    before = bench.now_ms()
    since = await bench.run(queues.pause(bench.keys, "email"))
    assert before <= since <= bench.now_ms()
    assert await bench.run(queues.pause(bench.keys, "email")) == since, "pausing again changes nothing"
    assert await bench.run(queues.paused(bench.keys)) == {"email": since}
    assert await bench.run(queues.resume(bench.keys, "email")) is True
    assert await bench.run(queues.resume(bench.keys, "email")) is False
    assert await bench.run(queues.paused(bench.keys)) == {}
    assert set(watcher.heard()) == {(CHANGES, b"email")}


async def test_nothing_of_a_paused_queue_is_claimed_and_its_record_stays(bench: Bench) -> None:
    task = await bench.create()
    before = bench.raw(task)
    await bench.run(queues.pause(bench.keys, "default"))
    assert (await bench.claim(task)).kind == "paused"
    assert bench.raw(task) == before
    await bench.run(queues.resume(bench.keys, "default"))
    assert (await bench.claim(task)).kind == "run"


async def test_other_queues_go_on(bench: Bench) -> None:
    task = await bench.create(queue="email", task_type="email_sending")
    await bench.run(queues.pause(bench.keys, "default"))
    assert (await bench.claim(task)).kind == "run"


async def test_a_run_that_has_begun_ends_and_its_retry_waits(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(queues.pause(bench.keys, "default"))
    assert await bench.conclude(task, run, State.RETRYING, error=b"null", due_ms=1) == "recorded"
    assert (await bench.claim(task, attempt=1)).kind == "paused"


async def test_a_claim_that_was_granted_is_granted_again(bench: Bench) -> None:
    """Its answer was lost: the run has begun, and is not taken back."""
    task = await bench.create()
    claim = calls.claim(bench.keys, task.task_id, "host:1", 0, None, "token")
    first = await bench.run(claim)
    await bench.run(queues.pause(bench.keys, "default"))
    assert await bench.run(claim) == first


async def test_the_task_of_a_dead_worker_waits_but_one_that_was_cancelled_ends(bench: Bench) -> None:
    lost, _ = await bench.running()
    asked, _ = await bench.running()
    await bench.run(calls.cancel(bench.keys, asked.task_id, TTL_S))
    await bench.run(queues.pause(bench.keys, "default"))
    for task in (lost, asked):
        bench.lapse(task)
    assert (await bench.claim(lost)).kind == "paused"
    assert (await bench.claim(asked)).kind == "cancelled"


async def test_what_is_over_is_skipped_in_a_paused_queue_too(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.cancel(bench.keys, task.task_id, TTL_S))
    await bench.run(queues.pause(bench.keys, "default"))
    assert (await bench.claim(task)).kind == "skip"


async def test_a_message_without_a_record_waits_too(bench: Bench) -> None:
    task = await bench.create()
    bench.client.delete(bench.keys.task(task.task_id))
    await bench.run(queues.pause(bench.keys, "default"))
    assert (await bench.rebuild(task)).kind == "paused"
    assert (await bench.read(task)).status is State.QUEUED


async def test_messages_of_a_paused_queue_are_not_taken_to_be_lost(bench: Bench) -> None:
    task, _ = await bench.running()
    bench.lapse(task, 1)
    bench.client.hset(bench.keys.task(task.task_id), "unclaimed_ms", 1)
    await bench.run(queues.pause(bench.keys, "default"))
    assert await bench.run(adrift.add_unclaimed(bench.keys)) == 0
    assert "unclaimed_ms" not in bench.raw(task), "it counts anew when the queue is resumed"


async def test_queues_tell_what_is_paused_and_how_long_a_task_has_waited(bench: Bench) -> None:
    by_queue = {"default": ["reverse_text"], "email": ["email_sending"]}
    since = await bench.run(queues.pause(bench.keys, "email"))
    old = await bench.create()
    bench.client.hset(bench.keys.task(old.task_id), "e:1", "s|5000|queued|0|0|")
    await bench.create(priority=Priority.LOW)
    default, email = await bench.run(workers.queues(bench.keys, by_queue))
    assert (default.paused_since, email.paused_since) == (None, since)
    assert (default.waiting_since, email.waiting_since) == (5000, None)
    assert (default.ready, email.ready) == (2, 0)


async def test_a_delayed_task_has_not_waited_since_it_was_submitted(bench: Bench) -> None:
    before = bench.now_ms()
    await bench.create(task_id="00000000-0000-7000-8000-000000000000", status=State.SCHEDULED, eta=1)
    await bench.run(calls.promote_due(bench.keys))
    (entry,) = await bench.run(workers.queues(bench.keys, {"default": ["reverse_text"]}))
    assert entry.waiting_since is not None
    assert before <= entry.waiting_since <= bench.now_ms()


@pytest.mark.parametrize("state", list(State))
async def test_what_came_in_is_counted_by_time_and_type_whatever_became_of_it(
    bench: Bench, state: State
) -> None:
    task = await bench.in_state(state)
    await bench.create(task_type="sentiment", eta=FAR_MS, status=State.SCHEDULED)
    at = created_ms(task.task_id)
    types = ["reverse_text", "sentiment", "nobody"]
    found = await bench.run(queues.arrivals(bench.keys, types, at, at + 60_000))
    assert found == {"reverse_text": 1, "sentiment": 1, "nobody": 0}
    assert set((await bench.run(queues.arrivals(bench.keys, types, at - 60_000, at))).values()) == {0}
