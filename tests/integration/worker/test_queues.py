"""Order and queues: the urgent first, each worker its own queues."""

import pytest

from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, soon
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("alone")


def test_an_urgent_task_overtakes_120_low_ones(board: Installation) -> None:
    """Eight threads are busy when it comes, and none holds others before it: it is among the next eight."""
    ledger, gate = board.path("ledger"), board.path("gate")
    board.worker(threads=8)
    low = board.submit_many(
        [
            {
                "task_type": "gated",
                "parameters": {"ledger": ledger, "gate": gate, "value": n},
                "priority": "low",
            }
            for n in range(120)
        ]
    )
    board.wait_ledger(ledger, "started", 8)
    urgent = board.submit("gated", {"ledger": ledger, "gate": gate, "value": "urgent"}, priority="high")
    board.open_gate(gate)
    assert board.wait(urgent)["status"] == "succeeded"
    assert {board.wait(each)["status"] for each in low} == {"succeeded"}
    order = [each["value"] for each in board.ledger(ledger, "started")]
    assert 8 <= order.index("urgent") < 16
    assert len(order) == 121


def test_within_one_priority_tasks_start_in_the_order_they_came(board: Installation) -> None:
    ledger = board.path("ledger")
    tasks = [board.submit("noted", {"ledger": ledger, "value": n}) for n in range(30)]
    board.worker(threads=1)
    for each in tasks:
        board.wait(each)
    assert [each["value"] for each in board.ledger(ledger)] == list(range(30))


def test_a_worker_for_one_queue_leaves_the_others_alone(board: Installation) -> None:
    ledger = board.path("ledger")
    other = [board.submit(each, {"ledger": ledger}) for each in ("noted", "crunch")]
    email = board.worker("--queues=email", threads=2)
    assert board.wait(board.submit("mail", {"ledger": ledger}))["result"] == email.pid
    assert {board.status(each) for each in other} == {"queued"}
    rest = board.worker("--queues=default,data", threads=2)
    assert {board.wait(each)["result"] for each in other} == {rest.pid}


def test_a_queue_that_no_type_uses_is_refused_with_the_known_ones(board: Installation) -> None:
    worker = board.worker("--queues=emial", ready=False)
    assert worker.process.wait(PATIENCE_S) == 2
    assert "emial" in worker.log()
    assert "data, default, email" in worker.log()
    assert "Traceback" not in worker.log()


def test_retries_go_on_in_their_queue_and_priority(board: Installation) -> None:
    gate, busy = board.path("gate"), board.path("busy")
    task_id = board.submit("boom", {"times": 1}, priority="high")
    board.worker(threads=1)
    board.wait(task_id, State.RETRYING)
    blocking = board.submit("gated", {"ledger": busy, "gate": gate})
    board.wait_ledger(busy, "started")
    low = board.submit("echo", {"value": 1}, priority="low")
    soon(lambda: board.messages() == 2, "its second attempt waits, too")
    board.open_gate(gate)
    for each in (blocking, task_id, low):
        assert board.wait(each)["status"] == "succeeded"
    assert board.view(task_id)["started_at"] <= board.view(low)["started_at"]
