"""Submit: what `create`, `settle` and `reject` promise."""

import pytest

from callboard.store import calls
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import FAR_MS, Bench, index, record

KEY = calls.Idempotency("key-1", "fingerprint", b'{"task_id":"first"}')
DAY_S = 86_400


async def test_a_created_task_reads_back_as_it_was_given(bench: Bench) -> None:
    task = await bench.create(priority=Priority.HIGH, queue="email", tags=("a", 'ä|"b'))
    assert await bench.read(task) == task


async def test_a_scheduled_task_reads_back_with_its_time(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=FAR_MS)
    assert await bench.read(task) == task


async def test_a_created_task_is_in_its_indexes_and_the_outbox(bench: Bench) -> None:
    before = bench.now_ms()
    task = await bench.create(tags=("a", "b"))
    assert bench.holding(task) == {"all", index(task, State.QUEUED), "tag:a", "tag:b", "outbox"}
    assert before <= (bench.score("outbox", task) or 0) <= bench.now_ms()
    assert bench.client.smembers(bench.keys.prefix + "types") == {b"reverse_text"}


async def test_a_scheduled_task_is_due_at_its_time(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=FAR_MS)
    assert bench.holding(task) == {"all", index(task, State.SCHEDULED), "due", "outbox"}
    assert bench.score("due", task) == FAR_MS


async def test_the_first_event_is_number_one(bench: Bench) -> None:
    task = await bench.create()
    (event,) = bench.events(task)
    assert (event.version, event.kind, event.status, event.attempt) == (1, "state", "queued", 0)


async def test_a_task_that_has_not_ended_never_expires(bench: Bench) -> None:
    task = await bench.create()
    assert bench.ttl_s(f"task:{task.task_id}") == -1


async def test_creating_again_after_a_broken_connection_changes_nothing(bench: Bench) -> None:
    task = record(tags=("a",))
    for _ in range(2):
        created = await bench.run(calls.create(bench.keys, task, KEY))
        assert created == calls.Created("created", task.task_id)
    assert (await bench.read(task)).version == 1


async def test_creating_again_does_not_undo_what_happened_since(bench: Bench) -> None:
    task = await bench.create()
    await bench.claim(task)
    await bench.run(calls.create(bench.keys, task, None))
    assert (await bench.read(task)).status is State.RUNNING


async def test_a_key_is_in_flight_until_its_message_is_confirmed(bench: Bench) -> None:
    task = await bench.create(KEY)
    second = await bench.run(calls.create(bench.keys, record(), KEY))
    assert second == calls.Created("in_flight", task.task_id)
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    third = await bench.run(calls.create(bench.keys, record(), KEY))
    assert third == calls.Created("replay", task.task_id, KEY.answer)


async def test_a_repeated_key_creates_nothing(bench: Bench) -> None:
    await bench.create(KEY)
    repeated = record()
    await bench.run(calls.create(bench.keys, repeated, KEY))
    assert await bench.absent(repeated)
    assert bench.holding(repeated) == set()


@pytest.mark.parametrize("settled", [False, True])
async def test_the_same_key_with_another_body_is_a_mismatch(bench: Bench, settled: bool) -> None:
    task = await bench.create(KEY)
    if settled:
        await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    other = calls.Idempotency(KEY.key, "another", b"{}")
    answer = await bench.run(calls.create(bench.keys, record(), other))
    assert answer == calls.Created("mismatch", task.task_id)


async def test_different_keys_do_not_touch_one_another(bench: Bench) -> None:
    await bench.create(KEY)
    await bench.create(calls.Idempotency("key-2", "fingerprint", b"{}"))


async def test_a_key_may_hold_any_visible_ascii(bench: Bench) -> None:
    task = await bench.create(calls.Idempotency("".join(map(chr, range(33, 127))), "f", b"answer"))
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    again = calls.Idempotency("".join(map(chr, range(33, 127))), "f", b"")
    assert (await bench.run(calls.create(bench.keys, record(), again))).answer == b"answer"


async def test_a_key_is_remembered_for_a_day_whatever_happens_to_its_task(bench: Bench) -> None:
    task = await bench.create(KEY)
    assert DAY_S - 60 <= bench.ttl_s(f"idem:{KEY.key}") <= DAY_S
    await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    assert DAY_S - 60 <= bench.ttl_s(f"idem:{KEY.key}") <= DAY_S


async def test_settled_tasks_leave_the_outbox(bench: Bench) -> None:
    tasks = [await bench.create() for _ in range(3)]
    await bench.run(calls.settle(bench.keys, [(task.task_id, 1) for task in tasks[:2]]))
    assert ["outbox" in bench.holding(task) for task in tasks] == [False, False, True]


async def test_a_thousand_tasks_settle_at_once(bench: Bench) -> None:
    task = await bench.create(KEY)
    others = [(record().task_id, 1) for _ in range(999)]
    assert await bench.run(calls.settle(bench.keys, [*others, (task.task_id, 1)])) == 1000
    assert "outbox" not in bench.holding(task)


async def test_settling_an_unknown_or_repeated_task_harms_nothing(bench: Bench) -> None:
    task = await bench.create(KEY)
    for _ in range(2):
        await bench.run(calls.settle(bench.keys, [(task.task_id, 1), (record().task_id, 1)]))
    assert (await bench.read(task)).version == 1


async def test_a_rejected_task_is_gone_from_everywhere(bench: Bench) -> None:
    task = await bench.create(status=State.SCHEDULED, eta=FAR_MS, tags=("a",))
    assert await bench.run(calls.reject(bench.keys, task.task_id)) == "rejected"
    assert await bench.absent(task)
    assert bench.holding(task) == set()


async def test_the_message_of_a_rejected_task_is_skipped(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.reject(bench.keys, task.task_id))
    assert await bench.claim(task) == calls.Claim("skip", why="rejected")
    assert await bench.rebuild(task) == calls.Claim("skip", why="rejected")
    assert await bench.absent(task)


async def test_the_tombstone_outlives_its_message_but_not_for_ever(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.reject(bench.keys, task.task_id))
    ttl_s = bench.ttl_s(f"task:{task.task_id}")
    assert calls.TOMBSTONE_TTL_S - 60 <= ttl_s <= calls.TOMBSTONE_TTL_S


async def test_a_rejected_task_releases_its_key_for_the_next_try(bench: Bench) -> None:
    task = await bench.create(KEY)
    await bench.run(calls.reject(bench.keys, task.task_id))
    await bench.create(KEY)


async def test_rejecting_twice_is_rejecting_once(bench: Bench) -> None:
    task = await bench.create(KEY)
    await bench.run(calls.reject(bench.keys, task.task_id))
    following = await bench.create(KEY)
    assert await bench.run(calls.reject(bench.keys, task.task_id)) == "rejected"
    assert (await bench.read(following)).status is State.QUEUED
    assert await bench.run(calls.create(bench.keys, record(), KEY)) == calls.Created(
        "in_flight", following.task_id
    )


async def test_a_task_whose_create_never_arrived_can_be_rejected(bench: Bench) -> None:
    task = record()
    assert await bench.run(calls.reject(bench.keys, task.task_id)) == "rejected"
    assert (await bench.claim(task)).kind == "skip"


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED, State.SCHEDULED}))
async def test_a_task_that_was_started_cannot_be_rejected(bench: Bench, state: State) -> None:
    task = await bench.in_state(state)
    before = bench.raw(task)
    assert await bench.run(calls.reject(bench.keys, task.task_id)) == "started"
    assert bench.raw(task) == before


async def test_a_task_queued_again_by_hand_counts_as_started(bench: Bench) -> None:
    task = await bench.in_state(State.FAILED)
    await bench.run(calls.requeue(bench.keys, task.task_id))
    assert await bench.run(calls.reject(bench.keys, task.task_id)) == "started"
