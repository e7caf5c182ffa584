"""A record: how it is read from Redis's values, and what clients see of it."""

import json
from typing import Any

import msgspec
import pytest

from callboard.tasks.record import FIELDS, TaskRecord, from_values, view
from callboard.tasks.states import TERMINAL, Priority, State

TASK = "0199d2a0-0000-7000-8000-000000000000"
LEAST = {
    "task_type": b"reverse_text", "status": b"queued", "priority": b"high", "queue": b"default",
    "parameters": b'{"text": "a"}', "max_retries": b"3", "time_limit_ms": b"60000", "created_at": b"1000",
    "attempt_limit": b"4", "version": b"1",
}  # fmt: skip


def read(**values: bytes) -> TaskRecord:
    found = from_values(TASK, [{**LEAST, **values}.get(name) for name in FIELDS])
    assert found is not None
    return found


def seen(record: TaskRecord) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(msgspec.json.encode(view(record)))
    return answer


def test_a_fresh_task_looks_as_the_contract_says() -> None:
    assert seen(read()) == {
        "task_id": TASK,
        "task_type": "reverse_text",
        "status": "queued",
        "priority": "high",
        "queue": "default",
        "progress": 0.0,
        "stage": None,
        "parameters": {"text": "a"},
        "result": None,
        "error": None,
        "attempts": 0,
        "max_retries": 3,
        "time_limit": 60.0,
        "created_at": "1970-01-01T00:00:01.000Z",
        "eta": None,
        "started_at": None,
        "finished_at": None,
        "worker": None,
        "tags": [],
        "version": 1,
        "history": [],
        "links": {
            "self": f"/api/tasks/{TASK}",
            "cancel": f"/api/tasks/{TASK}/cancel",
            "retry": f"/api/tasks/{TASK}/retry",
            "events": f"/api/tasks/{TASK}/events",
            "logs": f"/api/tasks/{TASK}/logs",
        },
    }


def test_a_finished_task_shows_its_result_and_its_last_attempt() -> None:
    answer = seen(
        read(
            status=b"succeeded", attempts=b"1", started_at=b"2000", finished_at=b"3000", worker=b"host:1",
            result=b'{"n":[1,2]}', progress=b"1", stage=b"COMPLETED", tags=b'["a","\xc3\xa4"]', version=b"9",
            eta=b"1500",
        )
    )  # fmt: skip
    assert answer["result"] == {"n": [1, 2]}
    assert (answer["progress"], answer["stage"], answer["tags"]) == (1.0, "COMPLETED", ["a", "ä"])
    assert answer["finished_at"] == "1970-01-01T00:00:03.000Z"
    assert answer["eta"] == "1970-01-01T00:00:01.500Z"
    assert answer["history"] == [
        {
            "attempt": 1,
            "status": "succeeded",
            "started_at": "1970-01-01T00:00:02.000Z",
            "finished_at": "1970-01-01T00:00:03.000Z",
            "error": None,
            "worker": "host:1",
        }
    ]


def test_ended_attempts_come_first_in_the_history() -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "…"}
    line = json.dumps(
        {
            "attempt": 1, "status": "retrying", "started_at": 1000, "finished_at": 1500, "error": error,
            "worker": "a:1",
        }
    )  # fmt: skip
    answer = seen(
        read(
            status=b"failed", attempts=b"2", started_at=b"2000", finished_at=b"3000", worker=b"b:2",
            error=json.dumps(error).encode(), history=(line + "\n").encode(),
        )
    )  # fmt: skip
    assert [(each["attempt"], each["status"], each["worker"]) for each in answer["history"]] == [
        (1, "retrying", "a:1"),
        (2, "failed", "b:2"),
    ]
    assert answer["history"][0]["started_at"] == "1970-01-01T00:00:01.000Z"
    assert answer["history"][0]["error"] == answer["history"][1]["error"] == answer["error"] == error


def test_an_attempt_under_way_is_not_in_the_history_yet() -> None:
    assert seen(read(status=b"running", attempts=b"1", started_at=b"2000"))["history"] == []


def test_a_task_cancelled_before_it_ran_has_no_history() -> None:
    assert seen(read(status=b"cancelled", finished_at=b"2000"))["history"] == []


@pytest.mark.parametrize("status", list(State))
def test_terminal_says_whether_the_task_has_ended(status: State) -> None:
    assert read(status=status.value.encode()).terminal == (status in TERMINAL)


def test_a_task_that_is_not_there_is_none() -> None:
    assert from_values(TASK, [None] * len(FIELDS)) is None


@pytest.mark.parametrize("status", [b"rejected", b"deleted"])
def test_a_tombstone_is_no_task(status: bytes) -> None:
    only_status = [status if name == "status" else None for name in FIELDS]
    assert from_values(TASK, only_status) is None


def test_a_status_nobody_knows_is_no_task() -> None:
    assert from_values(TASK, [{**LEAST, "status": b"new"}.get(name) for name in FIELDS]) is None


def test_an_empty_stage_or_worker_is_none() -> None:
    record = read(stage=b"", worker=b"")
    assert (record.stage, record.worker) == (None, None)


def test_a_cancel_that_was_asked_is_remembered() -> None:
    assert read(cancel_requested=b"1").cancel_requested
    assert not read().cancel_requested


def test_an_unknown_priority_reads_as_normal() -> None:
    assert read(priority=b"urgent").priority is Priority.NORMAL


def test_parameters_and_results_travel_as_the_text_they_came_in() -> None:
    record = read(parameters=b'{"n": 1.50, "big": 123456789012345678901234567890}', status=b"succeeded")
    assert b'"parameters":{"n": 1.50, "big": 123456789012345678901234567890}' in msgspec.json.encode(
        view(record)
    )


def test_values_of_another_length_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        from_values(TASK, [b"x"])
