"""POST /api/tasks/batch: each item is judged by itself."""

import secrets
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body

GOOD = body("reverse_text", {"text": "abc"})


def post(board: Board, content: str | bytes) -> list[dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    answer = board.client.post("/api/tasks/batch", content=content, headers=headers)
    assert answer.status_code == 207, answer.text
    assert set(answer.json()) == {"tasks"}
    return list(answer.json()["tasks"])


def test_one_bad_item_does_not_block_the_others(board: Board) -> None:
    bad = body("reverse_text", {"text": 5})
    answer = board.client.post("/api/tasks/batch", json={"tasks": [GOOD, bad, GOOD]})
    assert answer.status_code == 207
    first, second, third = answer.json()["tasks"]
    assert set(first) == {"status", "task"}
    assert set(second) == {"status", "error"}
    assert [each["status"] for each in (first, second, third)] == [202, 422, 202]
    assert second["error"]["type"] == "/problems/validation"
    assert [each["pointer"] for each in second["error"]["errors"]] == ["/parameters/text"]
    for each in (first, third):
        assert board.ended(each["task"]["task_id"])["result"] == "cba"


@pytest.mark.parametrize(
    ("item", "status", "pointer"),
    [
        ('{"task_type": "reverse_text", "parameters": {"text": NaN}}', 422, "/parameters/text"),
        ('{"task_type": "data_processing", "parameters": {"data": [1e400]}}', 422, "/parameters/data/0"),
        ('{"task_type": "reverse_text", "task_type": "flaky"}', 422, "/task_type"),
        ('{"task_type": "reverse_text", "parameters": {"text": "\\u0000"}}', 422, "/parameters/text"),
        ('{"task_type": "reverse_text", "parameters": {"text": "\\ud800"}}', 422, "/parameters/text"),
        ('{"task_type": "flaky", "parameters": ' + "[" * 70 + "]" * 70 + "}", 400, ""),
        ("null", 422, ""),
        ("NaN", 422, ""),
        ('"text"', 422, ""),
        ("[]", 422, ""),
        ("{}", 422, "/task_type"),
    ],
)
def test_flaws_of_one_item_stay_with_it(board: Board, item: str, status: int, pointer: str) -> None:
    good = '{"task_type": "reverse_text", "parameters": {"text": "a"}}'
    entries = post(board, f'{{"tasks": [{good}, {item}, {good}]}}')
    assert [each["status"] for each in entries] == [202, status, 202]
    assert [each["pointer"] for each in entries[1]["error"]["errors"]] == [pointer]


def test_a_thousand_tasks_are_taken_in_order(board: Board) -> None:
    tag = secrets.token_hex(4)
    tasks = [body("reverse_text", {"text": str(number)}, tags=[tag], delay=3600) for number in range(1000)]
    answer = board.client.post("/api/tasks/batch", json={"tasks": tasks})
    entries = answer.json()["tasks"]
    assert [each["status"] for each in entries] == [202] * 1000
    assert [each["task"]["parameters"]["text"] for each in entries] == [str(number) for number in range(1000)]
    assert len({each["task"]["task_id"] for each in entries}) == 1000


def test_more_than_a_thousand_are_refused_whole(board: Board) -> None:
    tag = secrets.token_hex(4)
    tasks = [{**GOOD, "tags": [tag]}] * 1001
    problem.check(board.client.post("/api/tasks/batch", json={"tasks": tasks}), 422, "validation", ["/tasks"])
    assert board.client.get("/api/tasks", params={"tag": tag}).json()["tasks"] == []


def test_a_batch_may_be_larger_than_one_request(board: Board) -> None:
    tasks = [body("reverse_text", {"text": "a" * 100_000})] * 20
    answer = board.client.post("/api/tasks/batch", json={"tasks": tasks})
    assert answer.status_code == 207
    assert [each["status"] for each in answer.json()["tasks"]] == [202] * 20
    for each in answer.json()["tasks"]:
        board.ended(each["task"]["task_id"])
