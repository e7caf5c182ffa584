"""Waiting for the end of a task: ?wait=, Prefer: wait, ETag."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body

#: The longest wait there is, and a client that leaves before: what it hears did not come with the wait's end.
LEAVES_S = 50
LONG: Any = {"params": {"wait": 60}, "timeout": LEAVES_S}


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_wait_holds_the_answer_until_the_end(board: Board) -> None:
    task = board.submit("long_running", {"duration": 0.6})
    answer = board.client.get(f"/api/tasks/{task['task_id']}", **LONG)
    assert answer.json()["status"] == "succeeded"


def test_wait_gives_the_task_as_it_stands_when_time_is_up(board: Board) -> None:
    task = board.submit("long_running", {"duration": 30})
    answer, took = timed(lambda: board.client.get(f"/api/tasks/{task['task_id']}?wait=0.3"))
    assert answer.status_code == 200
    assert answer.json()["status"] in ("queued", "running")
    assert took >= 0.3
    board.client.post(f"/api/tasks/{task['task_id']}/cancel")


def test_wait_for_an_ended_task_answers_at_once(board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"})
    assert board.client.get(f"/api/tasks/{task['task_id']}", **LONG).json()["status"] == "succeeded"


def test_wait_sees_a_cancel_by_somebody_else(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    cancel = threading.Timer(0.3, board.client.post, [task["links"]["cancel"]])
    cancel.start()
    answer = board.client.get(f"/api/tasks/{task['task_id']}", **LONG)
    cancel.join()
    assert answer.json()["status"] == "cancelled"


@pytest.mark.parametrize("wait", ["abc", "1e9", "nan", "inf", "-1", "60.1", "", "0x10"])
def test_a_wait_that_is_none_is_refused(board: Board, wait: str) -> None:
    task = board.run("reverse_text", {"text": "a"})
    answer = board.client.get(f"/api/tasks/{task['task_id']}", params={"wait": wait})
    problem.check(answer, 422, "validation", ["/wait"])
    problem.check(
        board.client.get(f"/api/tasks/{task['task_id']}?wait=1&wait=2"), 422, "validation", ["/wait"]
    )


@pytest.mark.parametrize("header", ["wait=60", "respond-async, wait=60", 'wait="60"', "WAIT=60"])
def test_prefer_wait_answers_with_the_finished_task(board: Board, header: str) -> None:
    text = body("reverse_text", {"text": "abc"})
    answer = board.client.post("/api/tasks", json=text, headers={"Prefer": header}, timeout=LEAVES_S)
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert answer.json()["result"] == "cba"


def test_prefer_wait_answers_202_when_time_is_up(board: Board) -> None:
    text = body("long_running", {"duration": 30})
    answer, took = timed(lambda: board.client.post("/api/tasks", json=text, headers={"Prefer": "wait=0.3"}))
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0.3"
    assert took >= 0.3
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
