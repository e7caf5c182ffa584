"""Cancelling: what has not started never runs, what runs is stopped, and nothing is retried."""

import os
from collections.abc import Iterator

import pytest

from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, Worker


@pytest.fixture(autouse=True)
def _worked(worker: Worker) -> Iterator[None]:
    """Every test of this file needs the worker, and leaves it well."""
    yield
    assert worker.process.poll() is None
    assert "Traceback" not in worker.log()


def test_a_queued_task_that_was_cancelled_never_runs(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    busy = [board.submit("gated", {"ledger": board.path("busy"), "gate": gate}) for _ in range(4)]
    for each in busy:
        board.wait(each, State.RUNNING)
    task_id = board.submit("noted", {"ledger": ledger})
    board.cancel(task_id)
    assert board.status(task_id) == "cancelled"
    board.open_gate(gate)
    assert board.wait(board.submit("echo", {"value": "behind it"}))["status"] == "succeeded"
    assert board.ledger(ledger) == []
    assert board.view(task_id)["status"] == "cancelled"


def test_a_scheduled_task_that_was_cancelled_never_runs(board: Installation) -> None:
    ledger = board.path("ledger")
    task_id = board.submit("noted", {"ledger": ledger}, delay=0.3)
    board.cancel(task_id)
    board.wait(board.submit("echo", delay=0.6))  # due after it
    assert (board.ledger(ledger), board.status(task_id)) == ([], "cancelled")


def test_a_task_that_was_cancelled_between_two_attempts_does_not_run_again(board: Installation) -> None:
    task_id = board.submit("boom", max_retries=5)
    board.wait(task_id, State.RETRYING)
    board.cancel(task_id)
    board.wait(board.submit("echo", delay=1.7))  # later than its second attempt would be
    ended = board.view(task_id)
    assert (ended["status"], ended["attempts"]) == ("cancelled", 1)


@pytest.mark.parametrize("task_type", ["spin", "chatter", "sleep_async", "stubborn_async"])
def test_a_running_task_is_stopped_and_not_retried(board: Installation, task_type: str) -> None:
    ledger = board.path("ledger")
    task_id = board.submit(task_type, {"ledger": ledger}, max_retries=5)
    board.wait_ledger(ledger, "started")
    board.cancel(task_id)
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"], ended["error"]) == ("cancelled", 1, None)
    assert [each["status"] for each in ended["history"]] == ["cancelled"]
    assert task_id not in {each["message_id"] for each in board.dead_letters()}


def test_a_stopped_async_task_has_cleaned_up(board: Installation) -> None:
    ledger = board.path("ledger")
    task_id = board.submit("sleep_async", {"ledger": ledger})
    board.wait_ledger(ledger, "started")
    board.cancel(task_id)
    board.wait(task_id)
    assert len(board.ledger(ledger, "cleaned up")) == 1


def test_after_many_cancels_the_worker_still_logs_reports_and_works(board: Installation) -> None:
    """An interrupt that lands in logging must not leave its lock behind."""
    for _ in range(4):
        tasks = []
        for _ in range(4):
            ledger = board.path("ledger")
            tasks.append(board.submit("chatter", {"ledger": ledger}, max_retries=0))
            board.wait_ledger(ledger, "started")
        for each in tasks:
            board.cancel(each)
        assert {board.wait(each)["status"] for each in tasks} == {"cancelled"}
    ended = [board.wait(board.submit("progress_many", {"times": 50})) for _ in range(4)]
    assert {each["stage"] for each in ended} == {"step 49"}


def test_a_cancelled_task_can_be_run_again_by_hand(board: Installation) -> None:
    task_id = board.submit("echo", {"value": 1}, delay=3600)
    board.cancel(task_id)
    board.retry(task_id)
    board.wait(task_id, State.SUCCEEDED)


def test_a_task_that_does_not_react_is_ended_without_its_thread(board: Installation) -> None:
    ledger, fifo = board.path("ledger"), board.path("fifo")
    os.mkfifo(fifo)
    task_id = board.submit("stuck", {"ledger": ledger, "gate": fifo}, time_limit=0.2)
    ended = board.wait(task_id)
    assert (ended["status"], ended["error"]["type"]) == ("failed", "TimeLimitExceeded")
    assert "did not react" in ended["error"]["message"]

    gate, busy = board.path("gate"), board.path("busy")
    tasks = [board.submit("gated", {"ledger": busy, "gate": gate}) for _ in range(4)]
    board.wait_ledger(busy, "started", 4)  # its thread was replaced: four work
    with open(fifo, "w"):  # noqa: PTH123 - now it returns after all
        pass
    board.open_gate(gate)
    assert {board.wait(each)["status"] for each in tasks} == {"succeeded"}
    assert board.view(task_id)["version"] == ended["version"], "nothing of it is recorded"
    assert board.wait(board.submit("echo", {"value": 2}))["result"] == 2
