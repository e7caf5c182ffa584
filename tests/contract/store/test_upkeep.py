"""What web processes and the scheduler do in the background: due times, outbox, counts, trimming, ticks."""

import pytest

from callboard.store import calls, upkeep
from callboard.tasks.ids import created_ms, first_id_at
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import FAR_MS, Bench, index, record

KEY = calls.Idempotency("key-1", "fingerprint", b"first answer")
LONG_AGO_MS = 1_600_000_000_000


async def test_a_scheduled_task_whose_time_has_come_shows_as_queued(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=1)
    assert await bench.run(calls.promote_due(bench.keys)) == 1
    found = await bench.read(task)
    assert (found.status, found.eta) == (State.QUEUED, 1)
    assert bench.holding(task) == {"all", index(task, State.QUEUED), "outbox"}
    assert bench.events(task)[-1].status == "queued"


async def test_a_retrying_task_whose_time_has_come_shows_as_queued_and_then_runs(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.RETRYING, due_ms=1, progress=(0.5, "PROCESSING"))
    await bench.run(calls.promote_due(bench.keys))
    event = bench.events(task)[-1]
    assert (event.status, event.attempt, event.progress, event.stage) == ("queued", 1, 0.5, "PROCESSING")
    assert "due" not in bench.holding(task)
    assert (await bench.claim(task, 1)).attempt == 2


async def test_a_time_long_past_counts_as_come(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=-1)
    await bench.run(calls.promote_due(bench.keys))
    assert (await bench.read(task)).status is State.QUEUED


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYING])
async def test_a_task_that_is_not_due_waits_on(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    assert await bench.run(calls.promote_due(bench.keys)) == 0
    assert (await bench.read(task)).status is state


async def test_a_due_time_without_a_task_is_dropped_and_makes_none(bench: Bench) -> None:
    lost = record()
    bench.client.zadd(f"{bench.keys.prefix}due", {lost.task_id: 1})
    await bench.run(calls.promote_due(bench.keys))
    assert bench.names() == set()


async def test_due_tasks_are_promoted_in_bounded_portions_each_once(bench: Bench) -> None:
    tasks = [await bench.create(status=State.SCHEDULED, eta=n + 1) for n in range(5)]
    portions = [await bench.run(calls.promote_due(bench.keys, 2)) for _ in range(4)]
    assert portions == [2, 2, 1, 0]
    assert [(await bench.read(task)).version for task in tasks] == [2] * 5


async def test_a_message_that_left_no_confirm_is_taken_over_once(bench: Bench) -> None:
    task = await bench.create()
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == [task.task_id]
    assert await bench.run(calls.take_outbox(bench.keys, 60_000)) == []
    assert "outbox" in bench.holding(task)


async def test_a_fresh_message_is_left_to_its_publisher(bench: Bench) -> None:
    await bench.create()
    assert await bench.run(calls.take_outbox(bench.keys, 60_000)) == []


async def test_the_outbox_is_taken_in_bounded_portions_oldest_first(bench: Bench) -> None:
    tasks = [await bench.create() for _ in range(5)]
    for age, task in enumerate(tasks):
        bench.client.zadd(bench.keys.outbox, {task.task_id: age})
    taken = [await bench.run(calls.take_outbox(bench.keys, 60_000, 2)) for _ in range(4)]
    assert taken == [[t.task_id for t in tasks[n : n + 2]] for n in (0, 2, 4)] + [[]]


async def test_a_settled_task_is_not_taken_over(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == []


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
async def test_a_waiting_task_is_taken_over(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == [task.task_id]


@pytest.mark.parametrize("state", sorted(set(State) - {State.SCHEDULED, State.QUEUED}))
async def test_a_task_whose_message_has_evidently_arrived_leaves_the_outbox(
    bench: Bench, state: State
) -> None:
    task = await bench.in_state(state)
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == []
    assert "outbox" not in bench.holding(task)


async def test_a_key_is_settled_when_its_publisher_died_but_its_message_arrived(bench: Bench) -> None:
    task, _ = await bench.running()
    other = await bench.create(KEY)
    claim = await bench.claim(other)
    await bench.conclude(other, claim.run, State.SUCCEEDED, result=b"1")
    await bench.run(calls.take_outbox(bench.keys, 0))
    answer = await bench.run(calls.create(bench.keys, record(), KEY))
    assert answer == calls.Created("replay", other.task_id, KEY.answer)
    assert (await bench.read(task)).status is State.RUNNING


async def test_a_rejected_or_lost_task_leaves_the_outbox(bench: Bench) -> None:
    lost = await bench.create()
    bench.client.delete(bench.keys.task(lost.task_id))
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == []
    assert "outbox" not in bench.holding(lost)


async def test_a_retried_task_is_in_the_outbox_until_its_message_is_confirmed(bench: Bench) -> None:
    task = await bench.in_state(State.FAILED)
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == [task.task_id]
    again = await bench.read(task)
    await bench.run(calls.settle(bench.keys, [(again.task_id, again.version)]))
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == []


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_a_late_confirm_of_an_earlier_message_is_not_that_of_a_retry(
    bench: Bench, state: State
) -> None:
    """Confirms are noted together, a little later; what is sent next must not leave the outbox with them."""
    task = await bench.in_state(state)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    first, other = (task.task_id, 1), await bench.create()
    await bench.run(calls.settle(bench.keys, [first, (other.task_id, 1)]))
    assert await bench.run(calls.take_outbox(bench.keys, 0)) == [task.task_id]


async def test_counts_are_by_type_and_state_over_all_priorities(bench: Bench) -> None:
    for priority in Priority:
        await bench.create(priority=priority)
    await bench.ended(State.FAILED)
    await bench.running(task_type="sentiment")
    found = await bench.run(calls.counts(bench.keys))
    assert sorted(found) == sorted(
        (kind, state, {("reverse_text", "queued"): 3, ("reverse_text", "failed"): 1,
                       ("sentiment", "running"): 1}.get((kind, state.value), 0))
        for kind in ("reverse_text", "sentiment")
        for state in State
    )  # fmt: skip


async def test_there_is_nothing_to_count_at_first(bench: Bench) -> None:
    assert await bench.run(calls.counts(bench.keys)) == []


def id_at(at_ms: int, number: int) -> str:
    return first_id_at(at_ms)[:-2] + f"{number:02x}"


async def test_index_entries_go_when_their_record_has_expired(bench: Bench) -> None:
    tasks = [await bench.create(task_id=id_at(LONG_AGO_MS, n)) for n in range(6)]
    for task in tasks[::2]:
        bench.client.delete(bench.keys.task(task.task_id))
    bound = first_id_at(LONG_AGO_MS + 1)
    for name in ("all", index(tasks[0], State.QUEUED)):
        assert await bench.run(upkeep.trim(bench.keys, name, bound, "")) == ("", 3)
        assert [name in bench.holding(task) for task in tasks] == [False, True] * 3


async def test_young_entries_are_not_looked_at(bench: Bench) -> None:
    task = await bench.create()
    bench.client.delete(bench.keys.task(task.task_id))
    assert await bench.run(upkeep.trim(bench.keys, "all", first_id_at(created_ms(task.task_id)), "")) == (
        "",
        0,
    )
    assert "all" in bench.holding(task)


async def test_trimming_goes_on_where_it_stopped(bench: Bench) -> None:
    tasks = [await bench.create(task_id=id_at(LONG_AGO_MS, n)) for n in range(5)]
    for task in tasks:
        bench.client.delete(bench.keys.task(task.task_id))
    after, steps, dropped = "", 0, 0
    while steps == 0 or after:
        after, number = await bench.run(
            upkeep.trim(bench.keys, "all", first_id_at(LONG_AGO_MS + 1), after, at_most=2)
        )
        steps, dropped = steps + 1, dropped + number
    assert (steps, dropped) == (3, 5)


async def test_trimming_does_not_stop_at_tasks_that_live_on(bench: Bench) -> None:
    tasks = [await bench.create(task_id=id_at(LONG_AGO_MS, n)) for n in range(5)]
    bench.client.delete(bench.keys.task(tasks[4].task_id))
    after, dropped = "", 0
    for _ in range(3):
        after, number = await bench.run(
            upkeep.trim(bench.keys, "all", first_id_at(LONG_AGO_MS + 1), after, at_most=2)
        )
        dropped += number
    assert (after, dropped) == ("", 1)


async def test_a_tag_that_no_task_has_any_more_is_forgotten(bench: Bench) -> None:
    gone, stays = [await bench.create(task_id=id_at(LONG_AGO_MS, n), tags=tags) for n, tags in
                   enumerate((("a", "b:c"), ("a",)))]  # fmt: skip
    bench.client.delete(bench.keys.task(gone.task_id))
    for tag in ("a", "b:c"):
        await bench.run(upkeep.trim(bench.keys, f"tag:{tag}", first_id_at(LONG_AGO_MS + 9), ""))
    assert bench.client.zrange(f"{bench.keys.prefix}tags", 0, -1) == [b"a"]
    assert "tag:a" in bench.holding(stays)


async def test_a_minutes_work_is_taken_once(bench: Bench) -> None:
    assert await bench.run(upkeep.take_tick(bench.keys, "trim", 29_000_000))
    assert not await bench.run(upkeep.take_tick(bench.keys, "trim", 29_000_000))
    assert await bench.run(upkeep.take_tick(bench.keys, "trim", 29_000_001))
    assert await bench.run(upkeep.take_tick(bench.keys, "statistics", 29_000_000))
    assert 3540 <= bench.ttl_s("tick:trim:29000000") <= 3600


async def test_whoever_took_a_minute_hears_so_again_after_a_broken_connection(bench: Bench) -> None:
    call = upkeep.take_tick(bench.keys, "trim", 29_000_000)
    assert await bench.run(call)
    assert await bench.run(call)


async def test_a_server_that_answers_pings_is_there(bench: Bench) -> None:
    assert await bench.run(calls.ping())


async def test_far_tasks_do_not_hold_up_near_ones(bench: Bench) -> None:
    for _ in range(5):
        await bench.create(status=State.SCHEDULED, eta=FAR_MS)
    near = await bench.create(status=State.SCHEDULED, eta=1)
    assert await bench.run(calls.promote_due(bench.keys, 1)) == 1
    assert (await bench.read(near)).status is State.QUEUED
