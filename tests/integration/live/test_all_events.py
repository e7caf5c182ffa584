"""`GET /api/events`: every task's changes, for dashboards."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.live.conftest import Web
from tests.integration.live.sse import Message, Sse


def watching(web: Web, query: str = "") -> Sse:
    """Open the stream: it is answered once it sees what happens."""
    stream = Sse(web.port, f"/api/events{query}")
    assert stream.status == 200
    return stream


def of(task_id: str, messages: list[Message]) -> list[dict[str, Any]]:
    return [each.data for each in messages if each.data["task_id"] == task_id]


def until_end(stream: Sse, *task_ids: str) -> list[Message]:
    """Return what comes until all of these tasks have ended."""
    found, left = [], set(task_ids)
    while left:
        message = stream.next()
        assert message is not None
        found.append(message)
        if message.data["status"] in ("succeeded", "failed", "cancelled"):
            left.discard(message.data["task_id"])
    return found


def test_every_task_is_told_with_what_a_list_shows(web: Web) -> None:
    with watching(web) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        first, second = web.submit(["say", "quiet", 1]), web.submit_type("quick", {}, priority="high")
        found = until_end(stream, first, second)
    last = of(second, found)[-1]
    assert set(last) == {
        "task_id", "version", "kind", "at", "attempt", "status", "stage", "progress", "task_type", "priority",
    }  # fmt: skip
    assert (last["task_type"], last["priority"], last["status"]) == ("quick", "high", "succeeded")
    assert {each.kind for each in found} <= {"state", "progress"}  # log lines are for those who watch a task
    assert all(each.kind == each.data["kind"] and each.id == "" for each in found)


def test_updates_of_one_task_come_at_most_ten_times_a_second_and_the_last_always(web: Web) -> None:
    with watching(web) as stream:
        steps = [step for n in range(12) for step in (["steps", 50], ["rest", 0.08], ["say", "x", 3])]
        task_id = web.submit(*steps, ["at", 0.99, "LAST"])
        found = of(task_id, until_end(stream, task_id))
    assert (found[-1]["status"], found[-1]["stage"]) == ("succeeded", "LAST")
    assert found[-1]["version"] == web.ended(task_id)["version"]
    versions = [each["version"] for each in found]
    assert versions == sorted(set(versions))
    assert len(found) <= 12 + 3  # for 1 s of running and a moment of waiting


def test_many_tasks_at_once_all_reach_their_end(web: Web) -> None:
    with watching(web) as stream:
        body = {"tasks": [{"task_type": "quick", "parameters": {}}] * 100}
        ids = []
        for _ in range(5):
            answer = web.client.post("/api/tasks/batch", json=body).json()
            ids += [each["task"]["task_id"] for each in answer["tasks"]]
        assert len(set(ids)) == 500
        found = until_end(stream, *ids)
    for task_id in ids:
        versions = [each["version"] for each in of(task_id, found)]
        assert all(earlier < later for earlier, later in pairwise(versions))


@pytest.mark.parametrize(
    ("query", "told", "untold"),
    [
        ("?type=quick", "quick", "scripted"),
        ("?type=nothing&type=quick", "quick", "scripted"),
        ("?queue=default&type=quick", "quick", "scripted"),
        ("?priority=high", "high", "quick"),
        ("?priority=high&type=quick", "high", "quick"),
    ],
)
def test_filters_choose_as_those_of_the_list_do(web: Web, query: str, told: str, untold: str) -> None:
    with watching(web, query) as stream:
        ids = {
            "scripted": web.run(["say", "x", 1]),
            "quick": web.submit_type("quick", {}),
            "high": web.submit_type("quick", {}, priority="high"),
        }
        found = until_end(stream, ids[told])
        assert of(ids[untold], found) == []


def test_a_filter_by_status_tells_of_those_states_only(web: Web) -> None:
    with watching(web, "?status=failed&status=cancelled") as stream:
        web.run(["say", "x", 1])
        failed = web.submit(["fail", "no"])
        found = until_end(stream, failed)
    assert {each.data["status"] for each in found} == {"failed"}


def test_a_filter_by_time_tells_of_tasks_created_then(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    old = web.submit(["open", str(gate)])
    created = web.client.get(f"/api/tasks/{old}").json()["created_at"]
    web.run(["rest", 0.01])
    new = web.client.get(f"/api/tasks/{web.run(['say', 'x', 1])}").json()["created_at"]
    assert created < new
    with watching(web, f"?created_after={new}") as stream:
        gate.touch()
        web.ended(old)
        other = web.submit_type("quick", {})
        assert of(old, until_end(stream, other)) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?tag=x", "/tag"),
        ("?limit=5", "/limit"),
        ("?cursor=x", "/cursor"),
        ("?status=done", "/status"),
        ("?priority=urgent", "/priority"),
        ("?created_after=yesterday", "/created_after"),
        ("?nobody_knows=1", None),
    ],
)
def test_what_cannot_be_filtered_by_is_refused(web: Web, query: str, pointer: str | None) -> None:
    answer = web.client.get(f"/api/events{query}")
    problem.check(answer, 422, "validation", [pointer] if pointer else None)


def test_a_quiet_stream_shows_that_it_lives(web: Web) -> None:
    with watching(web, "?type=nothing") as stream:
        assert [stream.comment() for _ in range(3)] == ["callboard", "still here", "still here"]
        assert stream.retry == 2000
