"""How tasks end in a real worker, on real servers: each outcome, recorded once and rightly."""

import os
from typing import Any

import pytest
from dramatiq.results import ResultFailure

from callboard.store import calls
from callboard.tasks.ids import is_task_id
from callboard.tasks.states import State
from callboard.tasks.times import from_rfc3339
from tests.integration.worker.harness import Installation, Worker, soon
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def _worked(worker: Worker) -> None:
    """Every test of this file needs the worker."""


def test_a_result_is_recorded(board: Installation, worker: Worker) -> None:
    ended = board.wait(board.submit("echo", {"value": {"é": [1, None, 2.5]}}))
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", {"é": [1, None, 2.5]}, 1)
    assert ended["worker"].endswith(f":{worker.pid}")
    assert ended["progress"] == 1.0
    assert ended["created_at"] <= ended["started_at"] <= ended["finished_at"]
    assert [each["status"] for each in ended["history"]] == ["succeeded"]


def test_an_async_task_runs_with_its_run_at_hand(board: Installation) -> None:
    task_id = board.submit("echo_async", {"value": 7})
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["stage"]) == ("succeeded", 7, "PROCESSING")
    assert [each["message"] for each in board.lines(task_id)] == ["inside echo_async"]


def test_a_failed_attempt_is_retried_and_stays_in_the_history(board: Installation) -> None:
    task_id = board.submit("boom", {"times": 1})
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", 2, 2)
    first, last = ended["history"]
    assert (first["attempt"], first["status"], last["attempt"], last["status"]) == (
        1, "retrying", 2, "succeeded",
    )  # fmt: skip
    assert first["error"]["type"] == "ValueError"
    assert first["error"]["message"] == "attempt 1 went wrong"
    assert "tasks_for_tests.py" in first["error"]["traceback"]
    assert "/callboard/worker/" not in first["error"]["traceback"]
    assert ended["error"] is None
    assert last["started_at"] >= first["finished_at"]
    assert [(each["attempt"], each["message"]) for each in board.lines(task_id)] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
    ]


def test_a_task_whose_attempts_are_used_up_fails_and_is_dead_lettered(board: Installation) -> None:
    task_id = board.submit("boom", max_retries=1, priority="high")
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"]) == ("failed", 2)
    assert ended["error"]["message"] == "attempt 2 went wrong"
    (letter,) = [each for each in board.dead_letters() if each["message_id"] == task_id]
    assert letter["actor_name"] == "boom"
    assert letter["options"]["broker_priority"] == 2


def test_a_failed_task_can_be_retried_by_hand(board: Installation) -> None:
    task_id = board.submit("boom", {"times": 1}, max_retries=0)
    assert board.wait(task_id)["status"] == "failed"
    board.retry(task_id)
    soon(lambda: board.status(task_id) == "succeeded", "it succeeds")
    ended = board.view(task_id)
    ends = [(each["attempt"], each["status"]) for each in ended["history"]]
    assert ends == [(1, "failed"), (2, "succeeded")]


def test_permanent_fails_at_once(board: Installation) -> None:
    task_id = board.submit("permanent")
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"], ended["error"]["type"]) == ("failed", 1, "Permanent")
    assert task_id in {each["message_id"] for each in board.dead_letters()}


def test_retry_is_free_of_charge(board: Installation) -> None:
    ended = board.wait(board.submit("not_yet", {"times": 2}))
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", 3, 3)
    assert ended["max_retries"] == 0
    assert [each["error"] for each in ended["history"]] == [None, None, None]


def test_retry_after_waits_so_long(board: Installation) -> None:
    ended = board.wait(board.submit("not_yet", {"times": 1, "after": 1.0}))
    first, second = ended["history"]
    waited_ms = from_rfc3339(second["started_at"]) - from_rfc3339(first["finished_at"])
    assert waited_ms >= 950  # recorded a moment after its message was sent


@pytest.mark.parametrize("task_type", ["spin", "sleep_async"])
def test_a_task_over_its_time_limit_is_ended_and_retried_by_policy(
    board: Installation, worker: Worker, task_type: str
) -> None:
    task_id = board.submit(task_type, {"ledger": board.path("ledger")}, time_limit=0.3, max_retries=1)
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"]) == ("failed", 2)
    assert [each["error"]["type"] for each in ended["history"]] == ["TimeLimitExceeded"] * 2
    assert task_id in {each["message_id"] for each in board.dead_letters()}
    assert worker.process.poll() is None


def test_an_async_task_that_is_ended_may_clean_up(board: Installation) -> None:
    ledger = board.path("ledger")
    board.wait(board.submit("sleep_async", {"ledger": ledger}, time_limit=0.3, max_retries=0))
    assert [each["what"] for each in board.ledger(ledger)] == ["started", "cleaned up"]


def test_all_threads_outlive_what_their_tasks_did(board: Installation) -> None:
    """Four threads, and four tasks that wait for each other's start."""
    ledger, gate = board.path("ledger"), board.path("gate")
    tasks = board.submit_many(
        [{"task_type": "gated", "parameters": {"ledger": ledger, "gate": gate}} for _ in range(4)]
    )
    board.wait_ledger(ledger, "started", 4)
    board.open_gate(gate)
    assert {board.wait(each)["status"] for each in tasks} == {"succeeded"}


def test_parameters_that_no_longer_fit_fail_with_their_pointer(board: Installation) -> None:
    ended = board.wait(board.submit_invalid("strict", {"times": "many"}))
    assert (ended["status"], ended["attempts"], ended["error"]["type"]) == ("failed", 1, "ValidationFailed")
    assert "/parameters/times" in ended["error"]["message"]


def test_a_result_that_is_too_large_fails_and_says_how_large(board: Installation) -> None:
    ended = board.wait(board.submit("big_result", {"times": 20_000}))
    assert (ended["status"], ended["attempts"], ended["error"]["type"]) == ("failed", 1, "ResultTooLarge")
    assert "20002 bytes" in ended["error"]["message"]
    assert ended["result"] is None


def test_a_result_that_json_cannot_hold_fails_and_says_so(board: Installation) -> None:
    ended = board.wait(board.submit("unserialisable"))
    assert (ended["status"], ended["attempts"]) == ("failed", 1)
    assert "JSON cannot hold" in ended["error"]["message"]


def test_numbers_that_json_does_not_have_become_null(board: Installation) -> None:
    assert board.wait(board.submit("nan"))["result"] == [None, None, 1.5]


@pytest.mark.parametrize(("task_type", "error"), [("exits", "SystemExit"), ("mute", "Mute")])
def test_whatever_a_task_raises_is_recorded(board: Installation, task_type: str, error: str) -> None:
    ended = board.wait(board.submit(task_type))
    assert (ended["status"], ended["error"]["type"]) == ("failed", error)


def test_a_log_keeps_its_newest_lines(board: Installation) -> None:
    task_id = board.submit("logs_many", {"times": calls.LOG_LINES_KEPT + 500})
    board.wait(task_id)
    lines = [each["message"] for each in board.lines(task_id)]
    assert len(lines) == calls.LOG_LINES_KEPT
    assert lines[-1] == f"line {calls.LOG_LINES_KEPT + 499}"
    assert lines == sorted(lines, key=lambda line: int(line.removeprefix("line ")))


def test_of_much_progress_the_last_is_recorded(board: Installation) -> None:
    for _ in range(5):  # it used to depend on who was faster
        ended = board.wait(board.submit("progress_many", {"times": 2_000}))
        assert ended["stage"] == "step 1999"
        assert ended["version"] < 40


def test_python_code_sends_tasks_and_gets_their_results(board: Installation) -> None:
    message: Any = board.registry.get("echo").send(value="from Python")
    assert message.get_result(block=True, timeout=int(PATIENCE_S * 1000)) == "from Python"

    ended = board.wait(message.message_id)
    assert (ended["status"], ended["task_type"], ended["parameters"]) == (
        "succeeded", "echo", {"value": "from Python"},
    )  # fmt: skip
    assert ended["priority"] == "normal"
    assert is_task_id(message.message_id)
    assert message.message_id[14] == "7", "ids sort by their time (UUIDv7)"


def test_python_code_hears_of_failures(board: Installation) -> None:
    message: Any = board.registry.get("permanent").send()
    with pytest.raises(ResultFailure, match="never again"):
        message.get_result(block=True, timeout=int(PATIENCE_S * 1000))


def test_python_code_sends_parameters_by_name_only(board: Installation) -> None:
    actor: Any = board.registry.get("echo").actor
    with pytest.raises(TypeError, match="by name"):
        actor.send("from Python")


def test_a_priority_and_a_delay_may_be_given_in_python(board: Installation) -> None:
    actor: Any = board.registry.get("echo").actor
    message = actor.send_with_options(kwargs={"value": 1}, delay=300, broker_priority=2)
    assert board.record(message.message_id) is None
    ended = board.wait(message.message_id)
    assert (ended["result"], ended["priority"]) == (1, "high")


def test_a_scheduled_task_waits_and_then_runs(board: Installation) -> None:
    task_id = board.submit("echo", {"value": 1}, delay=0.6)
    assert board.status(task_id) == "scheduled"
    ended = board.wait(task_id)
    assert ended["status"] == "succeeded"
    assert ended["started_at"] >= ended["eta"]


def test_two_messages_of_one_task_run_it_once(board: Installation) -> None:
    ledger = board.path("ledger")
    task_id = board.submit("noted", {"ledger": ledger})
    record = board.record(task_id)
    assert record is not None
    for _ in range(3):
        board.loop.run(board.service.submitter.send(record))
    board.wait(task_id)
    board.wait(board.submit("echo"))  # behind them
    soon(lambda: board.messages() == 0, "the queue is empty")
    assert len(board.ledger(ledger)) == 1
    assert board.ledger(ledger)[0]["pid"] != os.getpid()


def test_the_states_of_a_task_come_in_order(board: Installation) -> None:
    task_id = board.submit("boom", {"times": 1})
    board.wait(task_id)
    raw: Any = board.redis.hgetall(board.keys.task(task_id))
    events = sorted((int(k[2:]), v.decode().split("|")) for k, v in raw.items() if k.startswith(b"e:"))
    states = [fields[2] for _, fields in events if fields[0] == "s"]
    assert states[0] == State.QUEUED
    assert states[-1] == State.SUCCEEDED
    states = [each for each in states if each != State.QUEUED]
    assert states == ["running", "retrying", "running", "succeeded"]
