"""Queues over HTTP: rates, pause and resume, purge with its number."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body
from tests.patience import wait_until

#: The queue that no other file's tests of these boards wait for.
NAME = "files"
TASK = body("file_processing", {"filename": "nowhere.csv"}, max_retries=0)


def queue(board: Board, name: str = NAME, **params: Any) -> dict[str, Any]:
    answer = board.client.get(f"/api/queues/{name}", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def steer(board: Board, what: str, name: str = NAME) -> dict[str, Any]:
    answer = board.client.post(f"/api/queues/{name}/{what}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def purge(board: Board, sent: Any = None, name: str = NAME) -> httpx.Response:
    return board.client.post(f"/api/queues/{name}/purge", json=sent)


@pytest.fixture
def paused(board: Board) -> Iterator[Board]:
    """A board whose queue for files is paused and empty, for the time of a test."""
    assert steer(board, "pause")["paused"] is True
    yield board
    found = queue(board)
    waiting = found["ready"] + found["delayed"]
    purge(board, {"expect": waiting, "include_delayed": True})
    wait_until(lambda: queue(board)["ready"] == 0, what="the queue is empty")
    assert steer(board, "resume")["paused"] is False


def submit(board: Board, number: int, **fields: Any) -> list[str]:
    tasks = [{**TASK, **fields}] * number
    ids: list[str] = []
    for start in range(0, number, 1000):
        answer = board.client.post("/api/tasks/batch", json={"tasks": tasks[start : start + 1000]})
        ids += [each["task"]["task_id"] for each in answer.json()["tasks"]]
    return ids


def operation(board: Board, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found = dict(board.client.get(answer.headers["Location"], params={"wait": 60}).json())
    assert found["status"] == "finished", found
    return found


def test_a_paused_queue_takes_tasks_and_starts_none(paused: Board) -> None:
    (task_id,) = submit(paused, 1)
    other = paused.run("reverse_text", {"text": "a"})
    assert other["status"] == "succeeded"
    shown = queue(paused)
    assert (shown["paused"], shown["ready"], shown["unacked"]) == (True, 1, 0)
    assert shown["oldest_waiting_seconds"] > 0
    assert paused.get(task_id)["status"] == "queued"
    since = shown["paused_since"]
    assert steer(paused, "pause")["paused_since"] == since, "pausing again changes nothing"
    resumed = steer(paused, "resume")
    assert (resumed["paused"], resumed["paused_since"]) == (False, None)
    assert paused.ended(task_id)["status"] == "failed", "it ran: there is no such file"
    assert steer(paused, "resume")["paused"] is False


def test_a_purge_cancels_what_waits_and_keeps_its_records(paused: Board) -> None:
    waiting = submit(paused, 3)
    delayed = submit(paused, 2, delay=3600)
    found = operation(paused, purge(paused, {"expect": 3}))
    assert (found["action"], found["matched"], found["changed"]) == ("cancel", 3, 3)
    assert {paused.get(each)["status"] for each in waiting} == {"cancelled"}
    assert {paused.get(each)["status"] for each in delayed} == {"scheduled"}
    found = operation(paused, purge(paused, {"expect": 2, "include_delayed": True}))
    assert found["changed"] == 2
    assert {paused.get(each)["status"] for each in delayed} == {"cancelled"}
    steer(paused, "resume")
    again = paused.run("reverse_text", {"text": "a"})
    assert again["status"] == "succeeded"
    assert {paused.get(each)["status"] for each in (*waiting, *delayed)} == {"cancelled"}


def test_another_number_than_expected_changes_nothing(paused: Board) -> None:
    waiting = submit(paused, 2)
    for expect in (0, 1, 3):
        refused = problem.check(purge(paused, {"expect": expect}), 409, "conflict")
        assert "2 tasks" in refused["detail"]
    assert {paused.get(each)["status"] for each in waiting} == {"queued"}


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        (None, "/expect"),
        ({}, "/expect"),
        ({"include_delayed": True}, "/expect"),
        ({"expect": None}, "/expect"),
        ({"expect": "2"}, "/expect"),
        ({"expect": -1}, "/expect"),
        ({"expect": 1.5}, "/expect"),
        ({"expect": 0, "include_delayed": 1}, "/include_delayed"),
        ({"expect": 0, "force": True}, "/force"),
    ],
)
def test_a_purge_without_its_number_is_refused(still_empty: Board, sent: Any, pointer: str) -> None:
    refused = problem.check(purge(still_empty, sent), 422, "validation", [pointer])
    assert pointer == "/force" or refused["errors"][0]["detail"]


def test_a_purge_of_nothing_has_nothing_to_do(still_empty: Board) -> None:
    found = operation(still_empty, purge(still_empty, {"expect": 0}))
    assert (found["matched"], found["changed"]) == (0, 0)


def test_ten_thousand_tasks_are_purged(paused: Board) -> None:
    """As many as fakeredis does in a second, where it has to do it."""
    number = 10_000 if paused.mode == "stack" else 500
    submit(paused, number)
    found = operation(paused, purge(paused, {"expect": number}))
    assert [found[each] for each in ("matched", "done", "changed", "refused")] == [number] * 3 + [0]
    assert queue(paused)["ready"] == 0
    cancelled = paused.client.post(
        "/api/tasks/bulk?dry_run=true",
        json={"action": "delete", "filter": {"queue": NAME, "status": "cancelled"}},
    )
    assert cancelled.json()["matched"] >= number


@pytest.mark.parametrize("what", ["", "/pause", "/resume", "/purge"])
def test_a_queue_that_nobody_has_is_not_found(still_empty: Board, what: str) -> None:
    path = f"/api/queues/nowhere{what}"
    answer = still_empty.client.post(path, json={"expect": 0}) if what else still_empty.client.get(path)
    assert "files" in problem.check(answer, 404, "not-found")["detail"], "it names those there are"


def test_rates_tell_what_came_and_what_ended(board: Board) -> None:
    before = queue(board, "data", minutes=5)["history"]
    for _ in range(3):
        board.run("data_processing", {"data": [1, 2]})
    shown = queue(board, "data", minutes=5)
    assert shown["rates"]["in"] > 0
    assert shown["rates"]["out"] > 0
    assert len(shown["history"]) == 5
    known = {each["minute"]: each for each in before}
    new = [each for each in shown["history"] if known.get(each["minute"]) != each]
    for name in ("in", "out"):
        assert sum(each[name] - known.get(each["minute"], {name: 0})[name] for each in new) == 3
    every = board.client.get("/api/queues", params={"minutes": 30}).json()["queues"]
    assert {len(each["history"]) for each in every} == {30}


@pytest.mark.parametrize("minutes", ["0", "61", "x"])
def test_a_history_that_is_not_kept_is_refused(still_empty: Board, minutes: str) -> None:
    answer = still_empty.client.get("/api/queues", params={"minutes": minutes})
    problem.check(answer, 422, "validation", ["/minutes"])
