"""Stopping workers: what runs ends or is given back, what waits goes to others at once, nothing is lost."""

import signal

import pytest

from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, soon
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("alone")


def test_a_stopping_worker_ends_what_runs_and_hands_on_what_waits(board: Installation) -> None:
    """The one thread is busy; of each queue one message waits in the process behind it."""
    gate, running, waiting = board.path("gate"), board.path("running"), board.path("waiting")
    first = board.worker(threads=1)
    task_id = board.submit("gated", {"ledger": running, "gate": gate})
    board.wait_ledger(running, "started")
    tasks = [board.submit(each, {"ledger": waiting}) for each in ("mail", "crunch", "noted")]
    soon(lambda: board.messages("email") == 0 == board.messages("data"), "they are prefetched")
    second = board.worker(threads=1)

    first.process.send_signal(signal.SIGTERM)
    assert {board.wait(each)["result"] for each in tasks} == {second.pid}
    assert board.status(task_id) == "running", "it goes on while the others are served elsewhere"
    assert {board.view(each)["attempts"] for each in tasks} == {1}
    board.open_gate(gate)
    assert first.process.wait(PATIENCE_S) == 0
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"]) == ("succeeded", first.pid)
    assert [each["status"] for each in ended["history"]] == ["succeeded"]
    second.stop()
    assert len(board.ledger(waiting)) == 3
    assert len(board.ledger(running)) == 2


def test_a_stopping_worker_takes_nothing_new(board: Installation) -> None:
    gate, running = board.path("gate"), board.path("running")
    first = board.worker(threads=2)
    tasks = [board.submit("gated", {"ledger": running, "gate": gate}) for _ in range(2)]
    board.wait_ledger(running, "started", 2)
    first.process.send_signal(signal.SIGTERM)
    first.wait_log("stopping; 2 tasks")
    later = board.path("later")
    new = [board.submit(each, {"ledger": later}) for each in ("noted", "mail")]
    second = board.worker(threads=2)
    assert {board.wait(each)["result"] for each in new} == {second.pid}
    board.open_gate(gate)
    assert first.process.wait(PATIENCE_S) == 0
    assert {board.wait(each)["result"] for each in tasks} == {first.pid}
    second.stop()


def test_a_task_that_takes_too_long_is_given_back_and_run_again(board: Installation) -> None:
    gate, ledger = board.path("gate"), board.path("ledger")
    first = board.worker(threads=1, drain_timeout="0.5")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    second = board.worker(threads=1)
    assert first.stop() == 0
    board.wait_ledger(ledger, "started", 2)
    board.open_gate(gate)
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", second.pid, 1)
    assert "given back" in first.log()
    assert len(board.ledger(ledger, "ended")) == 1
    second.stop()


def test_a_task_that_is_given_back_often_is_no_poison(board: Installation) -> None:
    """Only deaths count against it, not orderly stops."""
    gate, ledger = board.path("gate"), board.path("ledger")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    for starts in range(1, 4):
        worker = board.worker(threads=1, drain_timeout="0.1", ready=False)
        board.wait_ledger(ledger, "started", starts)
        assert worker.stop() == 0
    board.open_gate(gate)
    last = board.worker(threads=1)
    assert board.wait(task_id)["status"] == "succeeded"
    last.stop()


def test_a_second_signal_ends_the_process_at_once(board: Installation) -> None:
    gate, ledger = board.path("gate"), board.path("ledger")
    worker = board.worker(threads=1)
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_log("stopping; 1 task")
    assert worker.stop() == 128 + signal.SIGTERM
    assert board.status(task_id) == State.RUNNING
    board.redis.hset(board.keys.task(task_id), "lease_ms", 0)
    board.open_gate(gate)
    other = board.worker(threads=1)
    assert board.wait(task_id)["result"] == other.pid
    other.stop()


def test_an_idle_worker_stops_soon_and_without_complaint(board: Installation) -> None:
    worker = board.worker(threads=4)
    assert worker.stop() == 0
    assert "Traceback" not in worker.log()
    assert "ERROR" not in worker.log()
