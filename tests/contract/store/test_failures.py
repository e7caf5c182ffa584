"""What fails, grouped: by type of task and of error, with the newest example, in bounded looks."""

import json
from typing import Any

import pytest

from callboard.dead_letters import DeadLetters
from callboard.store import calls, failures
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import Bench


async def failed(bench: Bench, error: str, message: str = "no", **changes: Any) -> TaskRecord:
    """Make a task that failed with an error of that type."""
    task, run = await bench.running(**changes)
    described = json.dumps({"type": error, "message": message, "traceback": "…"}, separators=(",", ":"))
    await bench.conclude(task, run, State.FAILED, error=described.encode())
    return task


async def summary(bench: Bench, *types: str) -> dict[str, Any]:
    return await DeadLetters(bench, bench.keys).summary(types)


def shape(found: dict[str, Any]) -> list[tuple[str, str | None, int]]:
    return [(each["task_type"], each["error_type"], each["count"]) for each in found["groups"]]


async def test_failures_are_grouped_by_type_and_error_the_most_frequent_first(bench: Bench) -> None:
    for priority in Priority:
        await failed(bench, "TimeoutError", task_type="email_sending", queue="email", priority=priority)
    await failed(bench, "ValueError", task_type="email_sending", queue="email")
    for _ in range(2):
        await failed(bench, "ValueError", task_type="flaky")
    for state in set(State) - {State.FAILED}:
        await bench.in_state(state, task_type="flaky")
    found = await summary(bench)
    assert (found["failed"], found["complete"]) == (6, True)
    assert shape(found) == [
        ("email_sending", "TimeoutError", 3), ("flaky", "ValueError", 2), ("email_sending", "ValueError", 1),
    ]  # fmt: skip


async def test_a_group_shows_what_failed_last(bench: Bench) -> None:
    await failed(bench, "ValueError", "first", queue="email", priority=Priority.HIGH)
    last = await failed(bench, "ValueError", 'last "é"\n', queue="email", priority=Priority.LOW)
    (group,) = (await summary(bench))["groups"]
    assert group["newest"].pop("failed_at").endswith("Z")
    assert group == {
        "task_type": "reverse_text",
        "queue": "email",
        "error_type": "ValueError",
        "count": 2,
        "newest": {
            "task_id": last.task_id,
            "message": 'last "é"\n',
            "links": {"self": f"/api/tasks/{last.task_id}"},
        },
        "links": {"tasks": "/api/tasks?status=failed&type=reverse_text"},
    }


async def test_some_types_may_be_asked_for(bench: Bench) -> None:
    for kind in ("flaky", "sentiment", "reverse_text"):
        await failed(bench, "ValueError", task_type=kind)
    found = await summary(bench, "flaky", "sentiment", "unheard_of")
    assert found["failed"] == 2
    assert sorted(each[0] for each in shape(found)) == ["flaky", "sentiment"]


async def test_without_failures_there_is_nothing_to_show(bench: Bench) -> None:
    await bench.in_state(State.CANCELLED)
    assert await summary(bench) == {"failed": 0, "complete": True, "groups": []}


async def test_expired_and_retried_tasks_do_not_count(bench: Bench) -> None:
    tasks = [await failed(bench, "ValueError") for _ in range(3)]
    bench.client.delete(bench.keys.task(tasks[0].task_id))
    await bench.run(calls.requeue(bench.keys, tasks[1].task_id))
    found = await summary(bench)
    assert (found["failed"], found["complete"]) == (1, True)
    assert found["groups"][0]["newest"]["task_id"] == tasks[2].task_id


async def test_no_more_than_the_newest_are_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "LOOK_AT_MOST", 2)
    await failed(bench, "OldError")
    for _ in range(2):
        await failed(bench, "ValueError")
    found = await summary(bench)
    assert (found["failed"], found["complete"], shape(found)) == (
        3, False, [("reverse_text", "ValueError", 2)],
    )  # fmt: skip


@pytest.mark.parametrize("error", [b"", b"null", b'{"message":"no"}', b"not JSON at all"])
async def test_an_error_without_a_type_has_its_own_group(bench: Bench, error: bytes) -> None:
    task, run = await bench.running()
    await bench.conclude(task, run, State.FAILED, error=error)
    assert shape(await summary(bench)) == [("reverse_text", None, 1)]
