"""Operations on many tasks: what a step does, what it counts, who may take it, and what outlives whom."""

import json
from typing import Any

import pytest

from callboard.store import calls, operations
from callboard.store.operations import Action, Operation, Step
from callboard.tasks.ids import new_task_id
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import TERMINAL, State
from tests.contract.store.bench import TTL_S, Bench, index, record

ME, OTHER = "host:1", "host:2"


async def begin(
    bench: Bench, *chunks: list[TaskRecord], action: Action = Action.CANCEL, states: tuple[State, ...] = ()
) -> str:
    """Begin an operation on these tasks; its last chunk is done first. Returns its id."""
    operation_id = new_task_id()
    numbered = {n: [task.task_id for task in chunk] for n, chunk in enumerate(chunks)}
    for call in operations.put_chunks(bench.keys, operation_id, numbered) if chunks else []:
        await bench.run(call)
    counted = (sum(map(len, chunks)), len(chunks))
    call = operations.begin(bench.keys, operation_id, action, b'{"type":"flaky"}', states, counted)
    assert await bench.run(call) == "begun"
    return operation_id


async def step(bench: Bench, operation_id: str, left: int, owner: str = ME) -> Step:
    return await bench.run(operations.step(bench.keys, operation_id, owner, left, TTL_S))


async def read(bench: Bench, operation_id: str) -> Operation:
    found = await bench.run(operations.read(bench.keys, operation_id))
    assert found is not None
    return found


async def numbers(bench: Bench, operation_id: str) -> tuple[str, int, int, int, int]:
    found = await read(bench, operation_id)
    return found.status, found.matched, found.done, found.changed, found.refused


def errors(found: Operation) -> list[dict[str, str]]:
    shown: Any = operations.view(found)["errors"]
    return list(shown)


async def test_a_cancel_stops_what_has_not_ended_and_counts_what_has(bench: Bench) -> None:
    tasks = {state: await bench.in_state(state) for state in State}
    operation_id = await begin(bench, list(tasks.values()))
    assert await step(bench, operation_id, 1) == Step("stepped", 0)
    for state, task in tasks.items():
        found = await bench.read(task)
        assert found.cancel_requested == (state is State.RUNNING)
        if state is not State.RUNNING:
            assert found.status is (state if state in TERMINAL else State.CANCELLED)
    assert await numbers(bench, operation_id) == ("finished", 7, 7, 4, 3)


async def test_a_retry_queues_what_did_not_succeed_and_names_what_is_to_be_sent(bench: Bench) -> None:
    tasks = {state: await bench.in_state(state) for state in State}
    for task in tasks.values():
        await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
    operation_id = await begin(bench, list(tasks.values()), action=Action.RETRY)
    again = (tasks[State.FAILED].task_id, tasks[State.CANCELLED].task_id)
    assert await step(bench, operation_id, 1) == Step("stepped", 0, again)
    for state in (State.FAILED, State.CANCELLED):
        assert (await bench.read(tasks[state])).status is State.QUEUED
        assert bench.holding(tasks[state]) == {"all", index(tasks[state], State.QUEUED), "outbox"}
    assert await numbers(bench, operation_id) == ("finished", 7, 7, 2, 5)


async def test_a_delete_forgets_what_has_ended(bench: Bench) -> None:
    tasks = {state: await bench.in_state(state) for state in State}
    operation_id = await begin(bench, list(tasks.values()), action=Action.DELETE)
    await step(bench, operation_id, 1)
    assert {state for state, task in tasks.items() if await bench.absent(task)} == TERMINAL
    assert await numbers(bench, operation_id) == ("finished", 7, 7, 3, 4)


async def test_a_task_that_left_the_states_asked_for_is_left_alone(bench: Bench) -> None:
    waits, started = await bench.create(), await bench.create()
    operation_id = await begin(bench, [waits, started], states=(State.QUEUED, State.SCHEDULED))
    await bench.claim(started)
    await step(bench, operation_id, 1)
    assert (await bench.read(started)).cancel_requested is False
    assert (await bench.read(waits)).status is State.CANCELLED
    found = await read(bench, operation_id)
    assert (found.changed, found.refused) == (1, 1)
    assert errors(found) == [
        {
            "task_id": started.task_id,
            "detail": "the task is running by now, which the filter does not ask for",
        }
    ]


async def test_what_was_refused_is_told_with_its_reason(bench: Bench) -> None:
    gone, ended = await bench.in_state(State.FAILED), await bench.in_state(State.SUCCEEDED)
    expired = record()
    await bench.run(calls.forget(bench.keys, gone.task_id))
    operation_id = await begin(bench, [gone, expired, ended], action=Action.RETRY)
    await step(bench, operation_id, 1)
    absent = "the task is gone: it was deleted, or its record has expired"
    assert errors(await read(bench, operation_id)) == [
        {"task_id": gone.task_id, "detail": absent},
        {"task_id": expired.task_id, "detail": absent},
        {
            "task_id": ended.task_id,
            "detail": "only failed or cancelled tasks can be retried; this one is succeeded",
        },
    ]


async def test_only_the_first_refusals_are_told(bench: Bench) -> None:
    chunks = [[record() for _ in range(15)] for _ in range(2)]
    operation_id = await begin(bench, *chunks)
    await step(bench, operation_id, 2)
    await step(bench, operation_id, 1)
    found = await read(bench, operation_id)
    assert (found.refused, len(found.errors)) == (30, operations.ERRORS_MOST)
    assert [each[0] for each in found.errors[:15]] == [task.task_id for task in chunks[1]]


async def test_a_broken_record_does_not_stop_the_others(bench: Bench) -> None:
    broken, good = await bench.in_state(State.FAILED), await bench.in_state(State.FAILED)
    bench.client.hset(bench.keys.task(broken.task_id), "attempts", "no number")
    operation_id = await begin(bench, [broken, good], action=Action.RETRY)
    assert (await step(bench, operation_id, 1)).again == (good.task_id,)
    found = await read(bench, operation_id)
    assert (found.changed, found.refused) == (1, 1)
    assert errors(found)[0]["detail"].startswith("its record cannot be handled: ")


async def test_steps_go_from_the_last_chunk_to_the_first_and_then_it_has_finished(bench: Bench) -> None:
    first, second = await bench.create(), await bench.create()
    operation_id = await begin(bench, [second], [first])
    assert await step(bench, operation_id, 2) == Step("stepped", 1)
    assert (await bench.read(second)).status is State.QUEUED
    assert await numbers(bench, operation_id) == ("running", 2, 1, 1, 0)
    assert await step(bench, operation_id, 1) == Step("stepped", 0)
    found = await read(bench, operation_id)
    assert found.finished_at is not None
    assert found.finished_at >= found.created_at
    assert f"operation:{operation_id}:chunks" not in bench.names()
    assert await step(bench, operation_id, 0) == Step("finished", 0)


async def test_a_step_that_is_sent_twice_is_taken_once(bench: Bench) -> None:
    chunks = [[await bench.in_state(State.FAILED)] for _ in range(2)]
    operation_id = await begin(bench, *chunks, action=Action.RETRY)
    assert (await step(bench, operation_id, 2)).again == (chunks[1][0].task_id,)
    assert await step(bench, operation_id, 2) == Step("moved", 1)
    assert await numbers(bench, operation_id) == ("running", 2, 1, 1, 0)


async def test_another_process_may_go_on_only_when_the_lease_is_over(bench: Bench) -> None:
    operation_id = await begin(bench, [await bench.create()], [await bench.create()])
    await step(bench, operation_id, 2)
    assert await step(bench, operation_id, 1, OTHER) == Step("busy", 1)
    assert await numbers(bench, operation_id) == ("running", 2, 1, 1, 0)
    bench.client.hset(bench.keys.operation(operation_id), "lease_ms", 0)
    assert await step(bench, operation_id, 1, OTHER) == Step("stepped", 0)
    assert await numbers(bench, operation_id) == ("finished", 2, 2, 2, 0)


async def test_an_operation_that_is_begun_twice_is_one(bench: Bench) -> None:
    operation_id = await begin(bench, [await bench.create()])
    await step(bench, operation_id, 1)
    call = operations.begin(bench.keys, operation_id, Action.CANCEL, b"{}", (), (1, 1))
    assert await bench.run(call) == "begun"
    assert await numbers(bench, operation_id) == ("finished", 1, 1, 1, 0)


async def test_an_operation_without_tasks_has_finished_when_it_begins(bench: Bench) -> None:
    operation_id = await begin(bench)
    assert await numbers(bench, operation_id) == ("finished", 0, 0, 0, 0)
    assert (await read(bench, operation_id)).finished_at is not None
    assert await bench.run(operations.running(bench.keys)) == []


async def test_a_cancelled_operation_keeps_what_it_did_and_does_no_more(bench: Bench) -> None:
    first, second = await bench.create(), await bench.create()
    operation_id = await begin(bench, [second], [first])
    await step(bench, operation_id, 2)
    assert await bench.run(operations.cancel(bench.keys, operation_id)) == ("cancelled", "running")
    assert await step(bench, operation_id, 1) == Step("cancelled", 0)
    assert (await bench.read(second)).status is State.QUEUED
    assert await numbers(bench, operation_id) == ("cancelled", 2, 1, 1, 0)
    assert (await read(bench, operation_id)).finished_at is not None
    assert await bench.run(operations.cancel(bench.keys, operation_id)) == ("refused", "cancelled")
    assert f"operation:{operation_id}:chunks" not in bench.names()


async def test_what_is_not_there_can_be_neither_read_nor_stepped_nor_cancelled(bench: Bench) -> None:
    operation_id = new_task_id()
    assert await bench.run(operations.read(bench.keys, operation_id)) is None
    assert await step(bench, operation_id, 1) == Step("absent", 0)
    assert await bench.run(operations.cancel(bench.keys, operation_id)) == ("absent", "")


async def test_operations_are_listed_newest_first_and_the_running_ones_apart(bench: Bench) -> None:
    made = [await begin(bench, [await bench.create()]) for _ in range(3)]
    await step(bench, made[1], 1)
    assert [each.operation_id for each in await bench.run(operations.newest(bench.keys))] == made[::-1]
    found = await bench.run(operations.running(bench.keys))
    assert [each.operation_id for each in found] == [made[2], made[0]]
    assert all(each.running for each in found)


async def test_no_more_than_the_newest_are_listed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LISTED_MOST", 3)
    made = [await begin(bench) for _ in range(5)]
    found = await bench.run(operations.newest(bench.keys))
    assert [each.operation_id for each in found] == made[:1:-1]
    assert (await read(bench, made[0])).status == "finished"


async def test_only_so_many_run_at_the_same_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "RUNNING_MOST", 2)
    task = await bench.create()
    made = [await begin(bench, [task]) for _ in range(2)]
    third = operations.begin(bench.keys, new_task_id(), Action.CANCEL, b"{}", (), (1, 1))
    assert await bench.run(third) == "full"
    await begin(bench)  # one without tasks does not run
    bench.client.delete(bench.keys.operation(made[0]))  # as after 24 h without any web process
    assert await bench.run(third) == "begun"


async def test_records_live_for_a_day_after_the_last_step(bench: Bench) -> None:
    operation_id = await begin(bench, [await bench.create()], [await bench.create()])
    name = f"operation:{operation_id}"
    for key in (name, f"{name}:chunks"):
        assert 86_000 < bench.ttl_s(key) <= 86_400
        bench.client.expire(bench.keys.prefix + key, 100)
    await step(bench, operation_id, 2)
    assert min(bench.ttl_s(name), bench.ttl_s(f"{name}:chunks")) > 86_000
    await step(bench, operation_id, 1)
    assert bench.ttl_s(name) > 86_000


async def test_ids_put_aside_for_an_operation_that_never_begins_do_not_stay(bench: Bench) -> None:
    operation_id = new_task_id()
    for call in operations.put_chunks(bench.keys, operation_id, {0: [new_task_id()]}):
        await bench.run(call)
    assert 0 < bench.ttl_s(f"operation:{operation_id}:chunks") <= 600
    await bench.run(operations.drop_chunks(bench.keys, operation_id))
    assert f"operation:{operation_id}:chunks" not in bench.names()


async def test_a_message_of_a_task_retried_in_bulk_is_claimed_once(bench: Bench) -> None:
    task, _ = await bench.ended(State.FAILED)
    operation_id = await begin(bench, [task], action=Action.RETRY)
    await step(bench, operation_id, 1)
    assert (await bench.claim(task, 1)).kind == "run"
    assert (await bench.claim(task, 1)).kind == "busy"


async def test_an_operation_is_shown_as_the_contract_writes_it(bench: Bench) -> None:
    operation_id = await begin(bench, [await bench.create()], action=Action.RETRY)
    shown = operations.view(await read(bench, operation_id))
    assert shown.pop("created_at").endswith("Z")
    assert json.loads(bytes(shown.pop("filter"))) == {"type": "flaky"}
    assert shown == {
        "operation_id": operation_id,
        "action": "retry",
        "matched": 1,
        "done": 0,
        "changed": 0,
        "refused": 0,
        "errors": [],
        "status": "running",
        "finished_at": None,
        "links": {
            "self": f"/api/operations/{operation_id}",
            "cancel": f"/api/operations/{operation_id}/cancel",
        },
    }
