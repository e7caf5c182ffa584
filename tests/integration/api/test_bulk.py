"""POST /api/tasks/bulk and its operations over HTTP, on both modes."""

import secrets
from typing import Any

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body
from tests.integration.api.test_submitting import TIME, UUID7

HOUR_S = 3600
UNKNOWN = "0199d2a0-0000-7000-8000-000000000000"


@pytest.fixture
def tag() -> str:
    """A tag that only this test's tasks have."""
    return f"bulk-{secrets.token_hex(4)}"


def order(board: Board, action: str, filter_: Any = None, **fields: Any) -> httpx.Response:
    sent = {"action": action, **({} if filter_ is None else {"filter": filter_}), **fields}
    return board.client.post("/api/tasks/bulk", json=sent)


def finished(board: Board, answer: httpx.Response) -> dict[str, Any]:
    """Return the operation of a 202 once it has ended."""
    assert answer.status_code == 202, answer.text
    found = dict(board.client.get(answer.headers["Location"], params={"wait": 30}).json())
    assert found["status"] == "finished", found
    return found


def numbers(operation: dict[str, Any]) -> tuple[int, int, int, int]:
    found = [operation[name] for name in ("matched", "done", "changed", "refused")]
    return found[0], found[1], found[2], found[3]


def waiting(board: Board, tag: str, count: int) -> list[str]:
    """Submit tasks that are due in an hour."""
    tasks = [body("reverse_text", {"text": "a"}, delay=HOUR_S, tags=[tag])] * count
    answer = board.client.post("/api/tasks/batch", json={"tasks": tasks})
    return [each["task"]["task_id"] for each in answer.json()["tasks"]]


def failing(board: Board, tag: str, count: int) -> list[str]:
    """Submit tasks that fail, and would not if they ran again; return their ids once they have failed."""
    tasks = [body("flaky", {"fail_times": 1}, max_retries=0, tags=[tag])] * count
    answer = board.client.post("/api/tasks/batch", json={"tasks": tasks})
    made = [each["task"]["task_id"] for each in answer.json()["tasks"]]
    assert {board.ended(task_id)["status"] for task_id in made} == {"failed"}
    return made


def test_an_operation_is_answered_as_the_contract_writes_it(board: Board, tag: str) -> None:
    made = waiting(board, tag, 2)
    answer = order(board, "cancel", {"tag": tag, "status": ["scheduled"]}, expect=2)
    assert answer.status_code == 202
    shown = answer.json()
    assert UUID7.fullmatch(shown["operation_id"])
    assert answer.headers["Location"] == f"/api/operations/{shown['operation_id']}"
    found = finished(board, answer)
    assert TIME.fullmatch(shown.pop("created_at"))
    assert TIME.fullmatch(found["finished_at"])
    for changing in ("done", "changed", "status", "finished_at"):
        shown.pop(changing)
    assert shown == {
        "operation_id": found["operation_id"],
        "action": "cancel",
        "filter": {"tag": tag, "status": ["scheduled"]},
        "matched": 2,
        "refused": 0,
        "errors": [],
        "links": {
            "self": f"/api/operations/{found['operation_id']}",
            "cancel": f"/api/operations/{found['operation_id']}/cancel",
        },
    }
    assert numbers(found) == (2, 2, 2, 0)
    assert {board.get(task_id)["status"] for task_id in made} == {"cancelled"}


def test_failed_tasks_run_again_and_keep_their_attempts(board: Board, tag: str) -> None:
    made = failing(board, tag, 12)
    other = failing(board, f"{tag}-other", 1)[0]
    assert numbers(finished(board, order(board, "retry", {"status": "failed", "tag": tag}))) == (
        12,
        12,
        12,
        0,
    )
    for task_id in made:
        task = board.ended(task_id)
        assert (task["status"], task["attempts"]) == ("succeeded", 2)
        assert [each["status"] for each in task["history"]] == ["failed", "succeeded"]
    assert board.get(other)["status"] == "failed"


def test_many_tasks_take_many_steps(board: Board, tag: str) -> None:
    made = waiting(board, tag, 450)
    assert numbers(finished(board, order(board, "cancel", {"tag": tag}, expect=450))) == (450, 450, 450, 0)
    assert board.get(made[0])["status"] == board.get(made[-1])["status"] == "cancelled"
    done = finished(board, order(board, "delete", {"tag": tag, "status": "cancelled"}))
    assert numbers(done) == (450, 450, 450, 0)
    assert board.client.get("/api/tasks", params={"tag": tag}).json() == {"tasks": [], "next": None}


def test_tasks_that_cannot_be_done_are_named(board: Board, tag: str) -> None:
    ended = board.run("reverse_text", {"text": "a"}, tags=[tag])
    waiting(board, tag, 1)
    done = finished(board, order(board, "cancel", {"tag": tag}))
    assert numbers(done) == (2, 2, 1, 1)
    assert done["errors"] == [
        {
            "task_id": ended["task_id"],
            "detail": "tasks that have ended cannot be cancelled; this one is succeeded",
        }
    ]


def test_another_number_than_expected_changes_nothing(board: Board, tag: str) -> None:
    made = waiting(board, tag, 3)
    answer = order(board, "cancel", {"tag": tag}, expect=4)
    found = problem.check(answer, 409, "conflict")
    assert "3 tasks" in found["detail"]
    assert "4 expected" in found["detail"]
    assert [board.get(task_id)["version"] for task_id in made] == [1, 1, 1]
    newest = board.client.get("/api/operations").json()["operations"]
    assert not [each for each in newest if each["filter"] == {"tag": tag}]
    finished(board, order(board, "cancel", {"tag": tag}, expect=3))


def test_a_dry_run_only_counts(board: Board, tag: str) -> None:
    made = waiting(board, tag, 3)
    sent = {"action": "delete", "filter": {"tag": tag, "type": ["reverse_text"]}}
    asked = [
        board.client.post("/api/tasks/bulk", json={**sent, "dry_run": True}),
        board.client.post("/api/tasks/bulk", json=sent, params={"dry_run": "true"}),
        board.client.post("/api/tasks/bulk", json={**sent, "dry_run": True, "expect": 9}),
    ]
    for answer in asked:
        assert answer.status_code == 200
        assert answer.json() == {**sent, "matched": 3, "dry_run": True}
    assert {board.get(task_id)["version"] for task_id in made} == {1}
    finished(board, order(board, "cancel", {"tag": tag}))


def test_a_filter_that_nothing_fits_is_an_operation_without_tasks(board: Board, tag: str) -> None:
    answer = order(board, "delete", {"tag": tag}, expect=0)
    assert (answer.status_code, answer.json()["status"]) == (202, "finished")
    assert numbers(finished(board, answer)) == (0, 0, 0, 0)


def test_operations_are_listed_newest_first(board: Board, tag: str) -> None:
    made = [order(board, "delete", {"tag": tag}).json()["operation_id"] for _ in range(3)]
    listed = board.client.get("/api/operations").json()["operations"]
    assert [each["operation_id"] for each in listed[:3]] == made[::-1]
    assert listed[0] == board.client.get(f"/api/operations/{made[-1]}").json()


def test_an_operation_that_has_ended_cannot_be_cancelled(board: Board, tag: str) -> None:
    ended = order(board, "delete", {"tag": tag}).json()
    answer = board.client.post(ended["links"]["cancel"])
    assert "it is finished" in problem.check(answer, 409, "conflict")["detail"]


def test_an_operation_that_is_not_there_is_not_found(board: Board) -> None:
    problem.check(board.client.get(f"/api/operations/{UNKNOWN}"), 404, "not-found")
    problem.check(board.client.post(f"/api/operations/{UNKNOWN}/cancel"), 404, "not-found")
    problem.check(board.client.get("/api/operations/x"), 422, "validation", ["/operation_id"])


def test_every_task_is_meant_only_when_it_is_said(still_empty: Board) -> None:
    empty: list[dict[str, Any]] = [{"filter": {}}, {"filter": {}, "all": False}, {"filter": {"status": None}}]
    for fields in ({}, *empty):
        sent = {"action": "delete", **fields}
        problem.check(still_empty.client.post("/api/tasks/bulk", json=sent), 422, "validation", ["/filter"])
    done = finished(still_empty, order(still_empty, "delete", {}, all=True))
    assert numbers(done) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"filter": {"status": "failed"}}, "/action"),
        ({"action": "explode", "filter": {"status": "failed"}}, "/action"),
        ({"action": "retry", "filter": {"status": "dead"}}, "/filter/status"),
        ({"action": "retry", "filter": {"status": ["failed", "dead"]}}, "/filter/status/1"),
        ({"action": "retry", "filter": {"colour": "red"}}, "/filter/colour"),
        ({"action": "retry", "filter": {"status": "failed"}, "expect": 1.5}, "/expect"),
        ({"action": "retry", "filter": {"status": "failed"}, "really": True}, "/really"),
        ([], ""),
    ],
)
def test_bad_orders_name_the_field(still_empty: Board, sent: Any, pointer: str) -> None:
    problem.check(still_empty.client.post("/api/tasks/bulk", json=sent), 422, "validation", [pointer])


def test_bad_queries_are_refused(still_empty: Board) -> None:
    client = still_empty.client
    sent = {"action": "delete", "filter": {"status": "failed"}}
    for params, name in (({"dry_run": "yes"}, "/dry_run"), ({"dryrun": "true"}, "/dryrun")):
        problem.check(client.post("/api/tasks/bulk", json=sent, params=params), 422, "validation", [name])
    problem.check(client.get("/api/operations", params={"limit": 5}), 422, "validation", ["/limit"])
    problem.check(client.get("/api/tasks/bulk"), 405, "method-not-allowed")
    problem.check(client.post("/api/operations"), 405, "method-not-allowed")
    problem.check(client.post("/api/tasks/bulk", content=b"{"), 415, "unsupported-media")
