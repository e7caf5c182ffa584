"""Waiting for the end of a task: ?wait=, Prefer: wait, ETag."""

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_wait_holds_the_answer_until_the_end(board: Board) -> None:
    task = board.submit("long_running", {"duration": 0.6})
    answer, took = timed(lambda: board.client.get(f"/api/tasks/{task['task_id']}?wait=20"))
    assert answer.json()["status"] == "succeeded"
    assert 0.3 < took < 5


def test_wait_gives_the_task_as_it_stands_when_time_is_up(board: Board) -> None:
    task = board.submit("long_running", {"duration": 30})
    answer, took = timed(lambda: board.client.get(f"/api/tasks/{task['task_id']}?wait=0.3"))
    assert answer.status_code == 200
    assert answer.json()["status"] in ("queued", "running")
    assert 0.3 <= took < 2
    board.client.post(f"/api/tasks/{task['task_id']}/cancel")


def test_wait_for_an_ended_task_answers_at_once(board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"})
    _, took = timed(lambda: board.client.get(f"/api/tasks/{task['task_id']}?wait=30"))
    assert took < 2


def test_wait_sees_a_cancel_by_somebody_else(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    cancel = threading.Timer(0.3, httpx.post, [f"{board.url}/api/tasks/{task['task_id']}/cancel"])
    cancel.start()
    answer, took = timed(lambda: board.client.get(f"/api/tasks/{task['task_id']}?wait=30"))
    cancel.join()
    assert answer.json()["status"] == "cancelled"
    assert took < 5


@pytest.mark.parametrize("wait", ["abc", "1e9", "nan", "inf", "-1", "60.1", "", "0x10"])
def test_a_wait_that_is_none_is_refused(board: Board, wait: str) -> None:
    task = board.run("reverse_text", {"text": "a"})
    answer = board.client.get(f"/api/tasks/{task['task_id']}", params={"wait": wait})
    problem.check(answer, 422, "validation", ["/wait"])
    problem.check(
        board.client.get(f"/api/tasks/{task['task_id']}?wait=1&wait=2"), 422, "validation", ["/wait"]
    )


@pytest.mark.parametrize("header", ["wait=10", "respond-async, wait=10", 'wait="10"', "WAIT=10"])
def test_prefer_wait_answers_with_the_finished_task(board: Board, header: str) -> None:
    text = body("reverse_text", {"text": "abc"})
    answer = board.client.post("/api/tasks", json=text, headers={"Prefer": header})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=10"
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert answer.json()["result"] == "cba"


def test_prefer_wait_answers_202_when_time_is_up(board: Board) -> None:
    text = body("long_running", {"duration": 30})
    answer, took = timed(lambda: board.client.post("/api/tasks", json=text, headers={"Prefer": "wait=0.3"}))
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0.3"
    assert 0.3 <= took < 2
    board.client.post(f"{answer.headers['Location']}/cancel")


@pytest.mark.parametrize("header", ["wait", "wait=abc", "wait=-1", "respond-async", "wait=1e9x", "\xff"])
def test_a_preference_that_is_none_is_ignored(board: Board, header: str) -> None:
    headers = {"Prefer": header.encode("latin-1")}
    answer = board.client.post("/api/tasks", json=body("reverse_text", {"text": "a"}), headers=headers)
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


def test_an_etag_saves_the_body_until_the_task_changes(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    path = f"/api/tasks/{task['task_id']}"
    tag = board.client.get(path).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = board.client.get(path, headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert board.client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    board.client.post(f"{path}/cancel")
    changed = board.client.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
