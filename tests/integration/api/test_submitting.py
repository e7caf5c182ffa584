"""POST /api/tasks: what is accepted, what the answer looks like, and that it is true."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TEXT = {"text": "stressed"}


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def parsed(time: str) -> datetime:
    assert TIME.fullmatch(time)
    return datetime.fromisoformat(time)


def test_a_submitted_task_is_answered_as_the_contract_writes_it(board: Board) -> None:
    answer = board.client.post(
        "/api/tasks", json=body("reverse_text", TEXT, priority="high", tags=["a", "b"])
    )
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "application/json"
    task = answer.json()
    task_id = task.pop("task_id")
    assert UUID7.fullmatch(task_id)
    assert answer.headers["Location"] == f"/api/tasks/{task_id}"
    assert abs(datetime.now(UTC) - parsed(task.pop("created_at"))) < timedelta(seconds=10)
    assert task == {
        "task_type": "reverse_text",
        "status": "queued",
        "priority": "high",
        "queue": "default",
        "progress": 0.0,
        "stage": None,
        "parameters": TEXT,
        "result": None,
        "error": None,
        "attempts": 0,
        "max_retries": 3,
        "time_limit": 60.0,
        "eta": None,
        "started_at": None,
        "finished_at": None,
        "worker": None,
        "tags": ["a", "b"],
        "version": 1,
        "history": [],
        "links": {
            "self": f"/api/tasks/{task_id}",
            "cancel": f"/api/tasks/{task_id}/cancel",
            "retry": f"/api/tasks/{task_id}/retry",
            "events": f"/api/tasks/{task_id}/events",
            "logs": f"/api/tasks/{task_id}/logs",
        },
    }


def test_a_task_that_ended_says_when_where_and_how(board: Board) -> None:
    task = board.run("reverse_text", TEXT)
    assert task["status"] == "succeeded"
    assert (task["result"], task["error"], task["progress"], task["attempts"]) == ("desserts", None, 1.0, 1)
    assert parsed(task["created_at"]) <= parsed(task["started_at"]) <= parsed(task["finished_at"])
    assert task["worker"]
    assert task["history"] == [
        {
            "attempt": 1,
            "status": "succeeded",
            "started_at": task["started_at"],
            "finished_at": task["finished_at"],
            "error": None,
            "worker": task["worker"],
        }
    ]


def test_what_is_not_given_takes_the_defaults_of_the_type(board: Board) -> None:
    task = board.submit("email_sending", {"to": "ann@example.org", "subject": "s", "body": "b"})
    types = {each["name"]: each for each in board.client.get("/api/task-types").json()["task_types"]}
    defaults = types["email_sending"]["defaults"]
    assert {name: task[name] for name in defaults} == defaults
    assert task["queue"] == "email"


@pytest.mark.parametrize(
    "media", ["application/json", "application/json; charset=utf-8", "application/x+json"]
)
def test_json_may_be_named_in_several_ways(board: Board, media: str) -> None:
    content = b'{"task_type": "reverse_text", "parameters": {"text": "a"}}'
    answer = board.client.post("/api/tasks", content=content, headers={"Content-Type": media})
    assert answer.status_code == 202


def test_parameters_come_back_as_they_were_sent(board: Board) -> None:
    numbers = [123456789012345678901234567890, -(2**63), 0.1, 1e300, 5e-324, 2**53 + 1]
    task = board.submit("data_processing", {"data": numbers})
    assert task["parameters"] == {"data": numbers}
    assert board.ended(task["task_id"])["parameters"] == {"data": numbers}


def test_text_of_every_script_survives(board: Board) -> None:
    text = "e\u0301 \U0001f469\u200d\U0001f680 \u05e9\u05dc\u05d5\u05dd \u202e \ufdd0 \u2028 \x7f \t"
    task = board.run("reverse_text", {"text": text}, tags=["\U0001f600"])
    assert task["parameters"]["text"] == text
    assert task["result"].count("e\u0301") == 1
    assert task["tags"] == ["\U0001f600"]


def test_repeated_tags_are_kept_once(board: Board) -> None:
    assert board.submit("reverse_text", TEXT, tags=["b", "a", "b"])["tags"] == ["b", "a"]


def test_a_delayed_task_waits_and_then_runs(board: Board) -> None:
    task = board.submit("reverse_text", TEXT, delay=1)
    assert task["status"] == "scheduled"
    due = parsed(task["eta"])
    assert due - parsed(task["created_at"]) == pytest.approx(timedelta(seconds=1), abs=timedelta(seconds=0.2))
    ended = board.ended(task["task_id"])
    assert ended["status"] == "succeeded"
    assert timedelta(0) <= parsed(ended["started_at"]) - due < timedelta(seconds=2)


def test_an_eta_may_have_any_offset(board: Board) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    offset = due.astimezone().replace(tzinfo=None)
    task = board.submit("reverse_text", TEXT, eta=at(due).replace("+00:00", "Z"))
    assert task["status"] == "scheduled"
    assert parsed(task["eta"]) == due.replace(microsecond=due.microsecond // 1000 * 1000)
    assert offset is not None
    board.client.post(f"/api/tasks/{task['task_id']}/cancel")


@pytest.mark.parametrize(
    "fields", [{"delay": 0}, {"eta": "2020-01-01T00:00:00Z"}, {"delay": None, "eta": None}]
)
def test_a_time_that_has_passed_means_now(board: Board, fields: dict[str, Any]) -> None:
    task = board.submit("reverse_text", TEXT, **fields)
    assert (task["status"], task["eta"]) == ("queued", None)
    assert board.ended(task["task_id"])["status"] == "succeeded"


def test_without_retries_the_first_failure_is_the_last(board: Board) -> None:
    task = board.run("flaky", {"fail_times": 1}, max_retries=0)
    assert (task["status"], task["attempts"], task["max_retries"]) == ("failed", 1, 0)
    assert task["error"]["type"] == "RuntimeError"
    assert task["error"]["message"] == "failing on purpose"
    assert "RuntimeError: failing on purpose" in task["error"]["traceback"]


def test_a_time_limit_ends_the_attempt(board: Board) -> None:
    task = board.run("long_running", {"duration": 60}, time_limit=0.5, max_retries=0)
    assert (task["status"], task["time_limit"]) == ("failed", 0.5)


def test_a_body_of_exactly_one_mebibyte_is_taken(board: Board) -> None:
    content = b'{"task_type": "reverse_text", "parameters": {"text": "a"}}'
    headers = {"Content-Type": "application/json"}
    answer = board.client.post("/api/tasks", content=content.ljust(1024 * 1024), headers=headers)
    assert answer.status_code == 202
    answer = board.client.post("/api/tasks", content=content.ljust(1024 * 1024 + 1), headers=headers)
    problem.check(answer, 413, "too-large")


def test_the_request_id_of_a_client_is_kept_if_it_is_sane(board: Board) -> None:
    sane = board.client.get("/healthz", headers={"X-Request-ID": "trace-1/2"})
    assert sane.headers["X-Request-ID"] == "trace-1/2"
    for odd in ("x" * 129, "\u00e9", "a\tb"):
        answer = board.client.get("/nowhere", headers={"X-Request-ID": odd.encode("latin-1")})
        assert UUID7.fullmatch(answer.headers["X-Request-ID"])
        problem.check(answer, 404, "not-found")
