"""Schedules over HTTP, on both modes: what is made, shown, changed and refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board
from tests.integration.api.test_submitting import TIME, UUID7

UNKNOWN = "0199d2a0-0000-7000-8000-000000000000"
TASK = {"task_type": "reverse_text", "parameters": {"text": "stressed"}, "tags": ["nightly"]}


def plan(**fields: Any) -> dict[str, Any]:
    """Return a schedule that does not tick while tests run."""
    return {"name": "Nightly", "cron": "30 6 29 2 *", "time_zone": "Europe/Berlin", "task": TASK, **fields}


@pytest.fixture
def made(board: Board) -> Iterator[dict[str, Any]]:
    """A schedule."""
    answer = board.client.post("/api/schedules", json=plan())
    assert answer.status_code == 201, answer.text
    yield answer.json()
    board.client.delete(answer.headers["Location"])


def at(schedule: dict[str, Any], more: str = "") -> str:
    return f"/api/schedules/{schedule['schedule_id']}{more}"


def test_a_schedule_is_answered_with_what_it_says(board: Board) -> None:
    answer = board.client.post("/api/schedules", json=plan(missed="all"))
    assert answer.status_code == 201
    found = answer.json()
    assert UUID7.fullmatch(found["schedule_id"])
    assert answer.headers["Location"] == found["links"]["self"] == at(found)
    assert answer.headers["ETag"] == '"1"'
    assert TIME.fullmatch(found.pop("created_at"))
    assert TIME.fullmatch(found.pop("updated_at"))
    coming = found.pop("next_runs")
    assert len(coming) == 5
    for each in coming:
        local = datetime.fromisoformat(each).astimezone(UTC)
        assert (local.month, local.day, local.hour, local.minute) == (2, 29, 5, 30)
    assert found == {
        "schedule_id": found["schedule_id"], "name": "Nightly", "cron": "30 6 29 2 *",
        "time_zone": "Europe/Berlin", "words": "at 06:30 on February 29, Europe/Berlin", "enabled": True,
        "missed": "all", "task": TASK, "version": 1, "last_run": None, "runs": 0, "skipped": 0,
        "problem": None, "tag": f"schedule:{found['schedule_id']}",
        "links": {
            "self": at(found), "run": at(found, "/run"), "pause": at(found, "/pause"),
            "resume": at(found, "/resume"), "tasks": f"/api/tasks?tag=schedule:{found['schedule_id']}",
        },
    }  # fmt: skip
    assert board.client.get(at(found)).json()["name"] == "Nightly"
    assert board.client.delete(at(found)).status_code == 204
    problem.check(board.client.get(at(found)), 404, "not-found")
    problem.check(board.client.delete(at(found)), 404, "not-found")


def test_what_is_left_out_has_sensible_values(board: Board) -> None:
    body = {"name": "n", "cron": "@yearly", "task": {"task_type": "long_running"}}
    found = board.client.post("/api/schedules", json=body).json()
    assert (found["time_zone"], found["missed"], found["enabled"]) == ("UTC", "once", True)
    assert found["next_runs"][0].endswith("-01-01T00:00:00.000Z")
    board.client.delete(at(found))


def test_the_list_has_them_oldest_first(board: Board, made: dict[str, Any]) -> None:
    other = board.client.post("/api/schedules", json=plan(name="Other")).json()
    listed = [each["schedule_id"] for each in board.client.get("/api/schedules").json()["schedules"]]
    assert listed.index(made["schedule_id"]) < listed.index(other["schedule_id"])
    board.client.delete(at(other))
    listed = [each["schedule_id"] for each in board.client.get("/api/schedules").json()["schedules"]]
    assert other["schedule_id"] not in listed


BAD: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"cron": "0 25 * * *"}, [("/cron", "hour field: 25 is more than 23")]),
    ({"cron": "0 0 30 2 *"}, [("/cron", "it would never fire")]),
    ({"time_zone": "Berlin"}, [("/time_zone", "did you mean Europe/Berlin?")]),
    ({"missed": "some"}, [("/missed", "'some'")]),
    ({"name": ""}, [("/name", "")]),
    ({"name": "   "}, [("/name", "is blank")]),
    ({"name": "n" * 101}, [("/name", "")]),
    ({"nmae": 1}, [("/nmae", "is not a known field")]),
    ({"task": None}, [("/task", "")]),
    ({"task": {}}, [("/task/task_type", "is required")]),
    ({"task": {"task_type": "nope"}}, [("/task/task_type", "known types: data_processing")]),
    ({"task": {**TASK, "parameters": {}}}, [("/task/parameters/text", "is required")]),
    ({"task": {**TASK, "delay": 5}}, [("/task/delay", "has no place in a schedule")]),
    ({"task": {**TASK, "eta": "2030-01-01T00:00:00Z"}}, [("/task/eta", "has no place in a schedule")]),
    ({"task": {**TASK, "prioritty": "high"}}, [("/task/prioritty", "is not a known field")]),
    ({"task": {**TASK, "parameters": {"text": "x" * 70_000}}}, [("/task", "is larger than 64 KiB")]),
    (
        {"cron": "* * * *", "time_zone": "xyz",
         "task": {"task_type": "email_sending", "parameters": {"to": 5}}},
        [("/cron", "not 4"), ("/time_zone", "no time zone"), ("/task/parameters/to", "")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), BAD)
def test_what_cannot_work_is_refused_with_every_field(
    board: Board, made: dict[str, Any], fields: dict[str, Any], said: list[tuple[str, str]]
) -> None:
    kind = "unknown-task-type" if fields.get("task") == {"task_type": "nope"} else "validation"
    before = board.client.get("/api/schedules").json()
    sent = plan(**fields)
    for answer in (board.client.post("/api/schedules", json=sent), board.client.put(at(made), json=sent)):
        found = problem.check(answer, 422, kind, [pointer for pointer, _ in said])
        for (_, words), error in zip(said, found["errors"], strict=True):
            assert words in error["detail"]
    assert board.client.get("/api/schedules").json() == before


def test_a_change_by_somebody_else_is_not_lost(board: Board, made: dict[str, Any]) -> None:
    first = board.client.put(at(made), json=plan(name="Mine"), headers={"If-Match": '"1"'})
    assert (first.status_code, first.json()["version"], first.headers["ETag"]) == (200, 2, '"2"')
    for tag in ('"1"', 'W/"2"', "2", '"x"'):
        answer = board.client.put(at(made), json=plan(name="Theirs"), headers={"If-Match": tag})
        problem.check(answer, 412, "precondition-failed")
        problem.check(board.client.delete(at(made), headers={"If-Match": tag}), 412, "precondition-failed")
    assert board.client.get(at(made)).json()["name"] == "Mine"
    for headers in ({"If-Match": '"2"'}, {"If-Match": "*"}, {}):
        assert board.client.put(at(made), json=plan(name="Theirs"), headers=headers).status_code == 200
    assert board.client.get(at(made)).json()["version"] == 3  # the same again changes nothing
    problem.check(board.client.put(f"/api/schedules/{UNKNOWN}", json=plan()), 404, "not-found")


def test_a_new_cron_has_new_runs(board: Board, made: dict[str, Any]) -> None:
    found = board.client.put(at(made), json=plan(cron="0 0 1 1 *", time_zone="UTC")).json()
    assert found["words"] == "at 00:00 on January 1, UTC"
    assert found["next_runs"][0].endswith("-01-01T00:00:00.000Z")


def test_pause_and_resume(board: Board, made: dict[str, Any]) -> None:
    for _ in range(2):  # the second time nothing happens
        paused = board.client.post(at(made, "/pause"))
        assert paused.status_code == 200
        assert (paused.json()["enabled"], paused.json()["next_runs"], paused.json()["version"]) == (
            False,
            [],
            2,
        )
    for _ in range(2):
        going = board.client.post(at(made, "/resume")).json()
        assert (going["enabled"], len(going["next_runs"]), going["version"]) == (True, 5, 3)
    for what in ("pause", "resume", "run"):
        problem.check(board.client.post(f"/api/schedules/{UNKNOWN}/{what}"), 404, "not-found")
        problem.check(board.client.post(f"/api/schedules/x/{what}"), 422, "validation", ["/schedule_id"])


def test_run_now_submits_its_task_also_while_it_is_paused(board: Board, made: dict[str, Any]) -> None:
    board.client.post(at(made, "/pause"))
    answer = board.client.post(at(made, "/run"), headers={"Idempotency-Key": made["schedule_id"]})
    assert answer.status_code == 202, answer.text
    task = answer.json()
    assert answer.headers["Location"] == task["links"]["self"]
    assert task["tags"] == ["nightly", made["tag"]]
    assert board.ended(task["task_id"])["result"] == "desserts"
    again = board.client.post(at(made, "/run"), headers={"Idempotency-Key": made["schedule_id"]})
    assert (again.headers["Idempotency-Replayed"], again.json()["task_id"]) == ("true", task["task_id"])
    found = board.client.get(at(made)).json()
    last = found["last_run"]
    assert (last["task_id"], last["status"], last["tick"]) == (task["task_id"], "succeeded", None)
    assert TIME.fullmatch(last["at"])
    assert (found["runs"], found["next_runs"]) == (1, [])
    listed = board.client.get(found["links"]["tasks"]).json()["tasks"]
    assert [each["task_id"] for each in listed] == [task["task_id"]]
    board.client.delete(task["links"]["self"])
    assert board.client.get(at(made)).json()["last_run"]["status"] is None


def preview(board: Board, **parameters: str) -> httpx.Response:
    return board.client.get("/api/schedules/preview", params=parameters)


def test_a_preview_says_what_a_cron_means(board: Board) -> None:
    found = preview(board, cron="0 12 * * *", time_zone="America/New_York").json()
    assert found["words"] == "at 12:00 every day, America/New_York"
    times = [datetime.fromisoformat(each) for each in found["next_runs"]]
    assert len(times) == 5
    assert times == sorted(times)
    assert times[0] > datetime.now(UTC)
    assert preview(board, cron="@hourly").json()["words"] == "at the start of every hour, UTC"
    problem.check(preview(board, cron="x", time_zone="y"), 422, "validation", ["/cron", "/time_zone"])
    problem.check(preview(board), 422, "validation", ["/cron"])
    problem.check(preview(board, cron="* * * * *", zone="UTC"), 422, "validation", ["/zone"])
