"""GET /api/dead-letters: what fails, grouped; the details are one link away."""

from tests.integration.api import problem
from tests.integration.api.serving import Board


def test_failures_are_shown_by_type_and_error_with_an_example(board: Board) -> None:
    message = "the disk of the teapot is full"
    made = [
        board.run("flaky", {"fail_times": 9, "message": message}, max_retries=0)["task_id"] for _ in range(2)
    ]
    found = board.client.get("/api/dead-letters", params={"type": "flaky"}).json()
    assert found["failed"] >= 2
    (group,) = [each for each in found["groups"] if each["error_type"] == "RuntimeError"]
    assert (group["task_type"], group["queue"]) == ("flaky", "default")
    assert group["count"] >= 2
    assert (group["newest"]["task_id"], group["newest"]["message"]) == (made[-1], message)
    newest = board.client.get(group["newest"]["links"]["self"]).json()
    assert newest["error"]["type"] == "RuntimeError"
    assert f"RuntimeError: {message}" in newest["error"]["traceback"]
    listed = board.client.get(group["links"]["tasks"]).json()["tasks"]
    assert {each["status"] for each in listed} == {"failed"}
    assert made[-1] in [each["task_id"] for each in listed]


def test_without_failures_there_are_no_groups(still_empty: Board) -> None:
    assert still_empty.client.get("/api/dead-letters").json() == {
        "failed": 0,
        "complete": True,
        "groups": [],
    }


def test_other_questions_are_refused(still_empty: Board) -> None:
    answer = still_empty.client.get("/api/dead-letters", params={"status": "failed"})
    problem.check(answer, 422, "validation", ["/status"])
