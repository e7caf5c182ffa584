"""GET /api/tasks: filters, pages and what cannot be asked."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board


@pytest.fixture(scope="module")
def known(running: Board) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A tag that only these tasks have, and the tasks, oldest first."""
    tag = secrets.token_hex(4)
    made = [
        running.run("reverse_text", {"text": "a"}, tags=[tag, "x"], priority="high"),
        running.run("reverse_text", {"text": "b"}, tags=[tag, "y"], priority="low"),
        running.run("flaky", {"fail_times": 1}, tags=[tag, "x"], max_retries=0),
        running.submit("email_sending", {"to": "a@b.de", "subject": "", "body": ""}, tags=[tag], delay=3600),
    ]
    yield tag, made
    running.client.post(f"/api/tasks/{made[3]['task_id']}/cancel")


def ids(board: Board, **params: Any) -> list[str]:
    answer = board.client.get("/api/tasks", params=params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"tasks", "next"}
    return [task["task_id"] for task in answer.json()["tasks"]]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({}, [3, 2, 1, 0]),
        ({"status": "succeeded"}, [1, 0]),
        ({"status": ["failed", "scheduled"]}, [3, 2]),
        ({"type": "flaky"}, [2]),
        ({"type": ["flaky", "email_sending"]}, [3, 2]),
        ({"priority": "high"}, [0]),
        ({"priority": ["high", "low"]}, [1, 0]),
        ({"queue": "email"}, [3]),
        ({"queue": ["email", "default"]}, [3, 2, 1, 0]),
        ({"status": "succeeded", "priority": "low", "type": "reverse_text", "queue": "default"}, [1]),
        ({"type": "no_such_type"}, []),
        ({"queue": "no_such_queue"}, []),
    ],
)
def test_filters_narrow_the_list_newest_first(
    board: Board, known: tuple[str, list[dict[str, Any]]], params: dict[str, Any], wanted: list[int]
) -> None:
    tag, tasks = known
    expected = [tasks[at]["task_id"] for at in wanted]
    assert ids(board, tag=tag, **params) == expected
    mine = {task["task_id"] for task in tasks}
    assert [each for each in ids(board, limit=200, **params) if each in mine] == expected


def test_repeated_tags_mean_any_of_them(board: Board, known: tuple[str, list[dict[str, Any]]]) -> None:
    tag, tasks = known
    assert len(ids(board, tag=[tag, "x", "y"])) == len(tasks)
    assert ids(board, tag="no such tag \U0001f600") == []


def test_times_bound_the_list(board: Board, known: tuple[str, list[dict[str, Any]]]) -> None:
    tag, tasks = known
    second = tasks[1]["created_at"]
    assert ids(board, tag=tag, created_after=second) == [tasks[at]["task_id"] for at in (3, 2, 1)]
    assert ids(board, tag=tag, created_before=second) == [tasks[0]["task_id"]]
    assert ids(board, tag=tag, created_after="2020-01-01T00:00:00+02:00", created_before=second) == [
        tasks[0]["task_id"]
    ]
    answer = board.client.get(
        f"/api/tasks?tag={tag}&created_after=2020-01-01T00:00:00+02:00"
    )  # + is not escaped
    assert len(answer.json()["tasks"]) == len(tasks)


def test_a_cursor_walks_every_task_once(board: Board, known: tuple[str, list[dict[str, Any]]]) -> None:
    tag, tasks = known
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"tag": tag, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = board.client.get("/api/tasks", params=params).json()
        assert len(page["tasks"]) <= 1
        seen += [task["task_id"] for task in page["tasks"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [task["task_id"] for task in reversed(tasks)]


def test_entries_of_the_list_are_whole_tasks(board: Board, known: tuple[str, list[dict[str, Any]]]) -> None:
    tag, tasks = known
    listed = board.client.get("/api/tasks", params={"tag": tag, "status": "failed"}).json()["tasks"]
    assert listed == [board.get(tasks[2]["task_id"])]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("statu=failed", "/statu"),
        ("status=faild", "/status"),
        ("status=", "/status"),
        ("priority=urgent", "/priority"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=x", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=%D9%A1", "/limit"),
        ("limit=" + "9" * 1000, "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=x", "/cursor"),
        ("cursor=", "/cursor"),
        ("cursor=%ff%fe", "/cursor"),
        ("cursor=" + "A" * 22 + "A", "/cursor"),
        ("cursor=a&cursor=b", "/cursor"),
        ("created_after=yesterday", "/created_after"),
        ("created_after=2026-01-01", "/created_after"),
        ("created_after=2026-01-01T00:00:00", "/created_after"),
        ("created_after=1e400", "/created_after"),
        ("created_after=", "/created_after"),
        ("created_before=0000-01-01T00:00:00Z", "/created_before"),
        ("created_before=2026-01-01T00:00:00Z&created_before=2026-01-02T00:00:00Z", "/created_before"),
        ("%ff=1", "/\ufffd"),
        ("__proto__=1", "/__proto__"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(board: Board, query: str, pointer: str) -> None:
    problem.check(board.client.get(f"/api/tasks?{query}"), 422, "validation", [pointer])


@pytest.mark.parametrize(
    "query", ["tag=%00", "tag=%ff%fe", "tag=%zz", "type=%ED%A0%80", "queue=../..", "&&&", "tag="]
)
def test_odd_values_match_nothing_and_break_nothing(board: Board, query: str) -> None:
    assert board.client.get(f"/api/tasks?{query}").status_code == 200
