"""Idempotency-Key: one key, one task, whatever the client repeats."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body

REVERSE = body("reverse_text", {"text": "abc"})


@pytest.fixture
def key() -> str:
    return secrets.token_hex(8)


def post(
    board: Board, key: str, task: Any = REVERSE, path: str = "/api/tasks", **headers: str
) -> httpx.Response:
    return board.client.post(path, json=task, headers={"Idempotency-Key": key, **headers})


def tagged(key: str) -> dict[str, Any]:
    return {**REVERSE, "tags": [key]}


def count(board: Board, tag: str) -> int:
    return len(board.client.get("/api/tasks", params={"tag": tag}).json()["tasks"])


def test_a_repeat_gets_the_first_answer_again_at_once(board: Board, key: str) -> None:
    first = post(board, key, tagged(key))
    again = post(board, key, tagged(key))
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(board, key) == 1


def test_a_repeat_after_the_end_still_gets_the_first_answer(board: Board, key: str) -> None:
    first = post(board, key)
    board.ended(first.json()["task_id"])
    assert post(board, key).content == first.content


def test_a_repeat_after_the_task_was_deleted_still_gets_the_first_answer(board: Board, key: str) -> None:
    first = post(board, key)
    board.ended(first.json()["task_id"])
    board.client.delete(first.headers["Location"])
    assert post(board, key).content == first.content
    assert post(board, key, Prefer="wait=5").content == first.content


def test_a_repeat_may_wait_for_the_end(board: Board, key: str) -> None:
    post(board, key)
    again = post(board, key, Prefer="wait=10")
    assert (again.status_code, again.json()["result"]) == (200, "cba")
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_body_with_the_same_key_is_refused(board: Board, key: str) -> None:
    post(board, key, tagged(key))
    other = body("reverse_text", {"text": "other"}, tags=[key])
    problem.check(post(board, key, other), 422, "idempotency-mismatch")
    assert count(board, key) == 1


def test_requests_at_the_same_time_make_one_task(board: Board, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(board, key, tagged(key)), range(16)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["task_id"] for answer in accepted}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in accepted) == 1
    for answer in answers:
        if answer not in accepted:
            problem.check(answer, 409, "conflict")
    assert count(board, key) == 1


def test_a_refused_request_does_not_use_its_key_up(board: Board, key: str) -> None:
    assert post(board, key, body("reverse_text", {"text": 1})).status_code == 422
    assert post(board, key).status_code == 202


def test_every_item_of_a_batch_has_a_key_of_its_own(board: Board, key: str) -> None:
    tasks = {"tasks": [tagged(key), {"task_type": "nothing"}, {**tagged(key), "priority": "low"}]}
    first = post(board, key, tasks, "/api/tasks/batch")
    again = post(board, key, tasks, "/api/tasks/batch")
    assert [each["status"] for each in again.json()["tasks"]] == [202, 422, 202]
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(board, key) == 2


def test_a_batch_that_was_changed_is_refused_where_it_was_changed(board: Board, key: str) -> None:
    post(board, key, {"tasks": [tagged(key), tagged(key)]}, "/api/tasks/batch")
    other = {"tasks": [tagged(key), {**tagged(key), "priority": "low"}, tagged(key)]}
    entries = post(board, key, other, "/api/tasks/batch").json()["tasks"]
    assert [each["status"] for each in entries] == [202, 422, 202]
    assert entries[1]["error"]["type"] == "/problems/idempotency-mismatch"
    assert count(board, key) == 3


def test_keys_of_batches_and_of_single_submits_do_not_meet(board: Board, key: str) -> None:
    batch = post(board, key, {"tasks": [REVERSE]}, "/api/tasks/batch").json()["tasks"][0]["task"]
    single = post(board, key).json()
    assert batch["task_id"] != single["task_id"]
    for near in (f"{key}#0", f"{key}0"):
        assert post(board, near).json()["task_id"] not in (batch["task_id"], single["task_id"])


@pytest.mark.parametrize("length", [1, 255])
def test_a_key_may_be_short_or_long(board: Board, length: int) -> None:
    key = "".join(secrets.choice("!~\"\\{}'abc019") for _ in range(length))
    assert post(board, key, body("reverse_text", {"text": key})).status_code in (
        202,
        422,
    )  # short ones repeat
