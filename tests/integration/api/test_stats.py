"""`GET /api/stats`: what ended, minute by minute and type by type."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board
from tests.patience import wait_until

OUTCOMES = ("succeeded", "failed", "cancelled", "retrying")


def stats(board: Board, **query: Any) -> dict[str, Any]:
    answer = board.client.get("/api/stats", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def number(found: dict[str, Any], task_type: str, outcome: str) -> int:
    return int(found["types"].get(task_type, {}).get(outcome, 0))


def test_every_minute_of_the_last_hour_has_an_entry(board: Board) -> None:
    minutes = [datetime.fromisoformat(each["minute"]) for each in stats(board)["minutes"]]
    assert len(minutes) == 60
    assert {(b - a).total_seconds() for a, b in pairwise(minutes)} == {60}
    assert 0 <= (datetime.now(UTC) - minutes[-1]).total_seconds() < 70


def test_what_ends_is_counted_by_its_type_and_in_its_minute(board: Board) -> None:
    before = stats(board)
    for _ in range(3):
        board.run("reverse_text", {"text": "a"})
    board.run("flaky", {"fail_times": 1}, max_retries=0)
    after = stats(board)
    assert number(after, "reverse_text", "succeeded") - number(before, "reverse_text", "succeeded") == 3
    assert number(after, "flaky", "failed") - number(before, "flaky", "failed") == 1
    for outcome in OUTCOMES:
        by_minute = sum(each[outcome] for each in after["minutes"])
        assert by_minute == sum(each[outcome] for each in after["types"].values())
    assert sum(each["succeeded"] for each in after["minutes"][-2:]) >= 3


def test_how_long_tasks_ran_and_waited_is_told_in_seconds(board: Board) -> None:
    board.run("long_running", {"duration": 1.5})
    found = stats(board)["types"]["long_running"]
    for times in (found["run"], found["wait"]):
        assert set(times) == {"p50", "p95", "p99"}
        assert 0 <= times["p50"] <= times["p95"] <= times["p99"]
    assert found["run"]["p99"] >= 1.5 / 2**0.5
    last = stats(board)["minutes"][-2:]
    assert any(each["run"]["p99"] for each in last)


def test_an_attempt_that_is_repeated_is_counted_as_retrying(board: Board) -> None:
    before = number(stats(board), "flaky", "retrying")
    task = board.submit("flaky", {"fail_times": 3}, max_retries=3)
    wait_until(lambda: number(stats(board), "flaky", "retrying") > before, what="a retry")
    board.client.post(task["links"]["cancel"])
    board.ended(task["task_id"])


def test_the_window_can_be_chosen(board: Board) -> None:
    assert len(stats(board, minutes=1)["minutes"]) == 1
    assert len(stats(board, minutes=1440)["minutes"]) == 1440


@pytest.mark.parametrize("minutes", ["0", "1441", "-1", "1.5", "x", ""])
def test_a_window_nobody_keeps_is_refused(still_empty: Board, minutes: str) -> None:
    answer = still_empty.client.get("/api/stats", params={"minutes": minutes})
    problem.check(answer, 422, "validation", ["/minutes"])


def test_before_the_first_task_everything_is_zero(untouched: Board) -> None:
    found = stats(untouched)
    assert set(found["counts"].values()) == {0}
    assert found["types"] == {}
    assert {each[outcome] for each in found["minutes"] for outcome in OUTCOMES} == {0}
    assert found["minutes"][0]["run"] == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize("path", ["/api/stats", "/api/task-types"])
def test_long_answers_are_packed_for_who_takes_it(board: Board, path: str) -> None:
    packed = board.client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = board.client.get(path, headers={"Accept-Encoding": "identity"})
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert packed.json().keys() == plain.json().keys()
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 2
