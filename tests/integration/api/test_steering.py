"""Cancel, retry, delete, logs: what they do, and when they refuse."""

import secrets

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board
from tests.patience import wait_until

UNKNOWN = "01a2033e-77b8-75bb-b329-f72e9b3743e9"


def running(board: Board) -> str:
    """Return the id of a task that runs."""
    task_id: str = board.submit("long_running", {"duration": 60})["task_id"]
    wait_until(lambda: board.get(task_id)["status"] == "running", what="the task runs")
    return task_id


def test_a_scheduled_task_is_cancelled_at_once_and_never_runs(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=1)
    answer = board.client.post(task["links"]["cancel"])
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    probe = board.submit("reverse_text", {"text": "b"}, delay=1.2)
    assert board.ended(probe["task_id"])["status"] == "succeeded"
    task = board.get(task["task_id"])
    assert (task["status"], task["attempts"], task["started_at"]) == ("cancelled", 0, None)
    assert task["finished_at"]


def test_a_running_task_is_asked_to_stop(board: Board) -> None:
    task_id = running(board)
    answer = board.client.post(f"/api/tasks/{task_id}/cancel")
    assert answer.status_code in (200, 202)
    task = board.ended(task_id)
    assert (task["status"], task["attempts"]) == ("cancelled", 1)


def test_a_retrying_task_is_cancelled(board: Board) -> None:
    task_id = board.submit("flaky", {"fail_times": 9}, max_retries=9)["task_id"]
    wait_until(lambda: board.get(task_id)["status"] == "retrying", what="the task waits")
    assert board.client.post(f"/api/tasks/{task_id}/cancel").status_code in (200, 202)
    assert board.ended(task_id)["status"] == "cancelled"


def test_an_ended_task_cannot_be_cancelled(board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"})
    problem.check(board.client.post(task["links"]["cancel"]), 409, "conflict")
    assert board.get(task["task_id"]) == task


def test_a_cancelled_task_runs_again_under_the_same_id(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "ab"}, delay=3600)
    board.client.post(task["links"]["cancel"])
    answer = board.client.post(task["links"]["retry"])
    assert answer.status_code == 202
    assert answer.headers["Location"] == task["links"]["self"]
    again = board.ended(task["task_id"])
    assert (again["status"], again["result"]) == ("succeeded", "ba")
    assert again["version"] > task["version"]


def test_only_failed_and_cancelled_tasks_can_be_retried(board: Board) -> None:
    done = board.run("reverse_text", {"text": "a"})
    problem.check(board.client.post(done["links"]["retry"]), 409, "conflict")
    waiting = board.submit("reverse_text", {"text": "a"}, delay=3600)
    problem.check(board.client.post(waiting["links"]["retry"]), 409, "conflict")
    board.client.post(waiting["links"]["cancel"])


def test_a_deleted_task_is_gone_with_its_logs(board: Board) -> None:
    tag = secrets.token_hex(4)
    task = board.run("long_running", {"duration": 0.1}, tags=[tag])
    answer = board.client.delete(task["links"]["self"])
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (task["links"]["self"], task["links"]["logs"]):
        problem.check(board.client.get(path), 404, "not-found")
    for call in (board.client.delete(task["links"]["self"]), board.client.post(task["links"]["retry"])):
        problem.check(call, 404, "not-found")
    assert board.client.get("/api/tasks", params={"tag": tag}).json() == {"tasks": [], "next": None}


def test_a_task_that_has_not_ended_cannot_be_deleted(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    problem.check(board.client.delete(task["links"]["self"]), 409, "conflict")
    board.client.post(task["links"]["cancel"])
    assert board.client.delete(task["links"]["self"]).status_code == 204


def test_logs_are_kept_by_attempt(board: Board) -> None:
    task = board.run("flaky", {"fail_times": 1})
    logs = board.client.get(task["links"]["logs"]).json()
    assert logs["task_id"] == task["task_id"]
    first = logs["attempts"][0]
    assert first["attempt"] == 1
    (line,) = first["lines"]
    assert set(line) == {"seq", "at", "level", "message"}
    assert (line["level"], line["message"]) == ("WARNING", "attempt 1 fails, as do the first 1")


def test_a_task_without_log_lines_has_empty_logs(board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"})
    assert board.client.get(task["links"]["logs"]).json() == {"task_id": task["task_id"], "attempts": []}


CALLS = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("GET", "/logs"),
    ("GET", "?wait=1"),
]


@pytest.mark.parametrize(("method", "rest"), CALLS)
def test_an_unknown_id_is_not_found(board: Board, method: str, rest: str) -> None:
    problem.check(board.client.request(method, f"/api/tasks/{UNKNOWN}{rest}"), 404, "not-found")


@pytest.mark.parametrize(("method", "rest"), CALLS)
@pytest.mark.parametrize("task_id", ["x", "1", UNKNOWN + "0", "%00", "%ff%fe", "%20"])
def test_an_id_that_is_none_is_refused(board: Board, method: str, rest: str, task_id: str) -> None:
    answer = board.client.request(method, f"/api/tasks/{task_id}{rest}")
    problem.check(answer, 422, "validation", ["/task_id"])


def test_an_id_may_be_written_in_capitals(board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"})
    assert board.get(task["task_id"].upper())["task_id"] == task["task_id"]


@pytest.mark.parametrize(("method", "rest"), CALLS)
def test_query_names_nobody_knows_are_refused(board: Board, method: str, rest: str) -> None:
    path = f"/api/tasks/{UNKNOWN}{rest}"
    answer = board.client.request(method, f"{path}{'&' if '?' in path else '?'}force=1")
    problem.check(answer, 422, "validation", ["/force"])
