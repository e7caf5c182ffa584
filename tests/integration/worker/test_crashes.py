"""Workers that die: their tasks run again elsewhere, a task that kills them does not for ever."""

from typing import Any

import pytest

from callboard.reconcile import PAUSE_S
from callboard.store import calls
from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, soon
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("alone")


def test_a_killed_workers_task_is_run_again_by_another(board: Installation) -> None:
    """Promise 4: within 10 s. The lease lapses, somebody looks, and it is sent; tests/chaos measures it."""
    assert calls.LEASE_MS + 1000 * PAUSE_S < 10_000
    ledger, gate = board.path("ledger"), board.path("gate")
    first = board.worker(threads=2)
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    innocent = board.submit("gated", {"ledger": board.path("other"), "gate": gate})
    board.wait_ledger(ledger, "started")
    board.wait(innocent, State.RUNNING)
    second = board.worker(threads=2)

    first.kill()
    board.wait_ledger(ledger, "started", 2)
    board.wait(task_id, State.RUNNING)
    board.open_gate(gate)

    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", second.pid, 1)
    lost, last = ended["history"]
    assert (lost["attempt"], lost["status"], lost["error"]["type"]) == (1, "lost", "WorkerLost")
    assert lost["worker"].endswith(f":{first.pid}")
    assert (last["attempt"], last["status"]) == (1, "succeeded")
    assert [(each["pid"], each["attempt"]) for each in board.ledger(ledger, "started")] == [
        (first.pid, 1),
        (second.pid, 1),
    ]
    assert board.wait(innocent)["status"] == "succeeded"
    second.stop()


def test_a_task_that_kills_its_worker_is_started_three_times_and_its_neighbours_complete(
    board: Installation,
) -> None:
    ledger = board.path("ledger")
    poison = board.submit("self_kill", {"ledger": ledger}, priority="high")
    neighbours = board.submit_many(
        [{"task_type": "echo", "parameters": {"value": n}, "priority": "low"} for n in range(30)]
    )
    for starts in (1, 2):
        died = board.worker(threads=2, ready=False)
        died.process.wait(PATIENCE_S)
        assert len(board.ledger(ledger)) == starts
        # Its lease would run out by itself in some seconds; that is tested above.
        board.redis.hset(board.keys.task(poison), "lease_ms", 0)
    last = board.worker(threads=2)
    ended = board.wait(poison)
    assert (ended["status"], ended["attempts"], ended["error"]["type"]) == ("failed", 1, "WorkerLost")
    pids = [each["pid"] for each in board.ledger(ledger)]
    assert len(pids) == 3
    assert pids[-1] != last.pid, "the third time in a process of its own"
    assert poison in {each["message_id"] for each in board.dead_letters()}
    assert [board.wait(each)["result"] for each in neighbours] == list(range(30))
    assert {board.view(each)["attempts"] for each in neighbours} == {1}
    assert last.process.poll() is None
    last.stop()


def test_a_task_cancelled_while_its_worker_was_dead_does_not_run_again(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    first = board.worker(threads=1)
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    first.kill()
    board.cancel(task_id)
    board.redis.hset(board.keys.task(task_id), "lease_ms", 0)
    second = board.worker(threads=1)
    assert board.wait(task_id)["status"] == "cancelled"
    second.stop()
    assert len(board.ledger(ledger, "started")) == 1


def test_a_record_lost_with_redis_is_made_again_from_the_message(board: Installation) -> None:
    task_id = board.submit("echo", {"value": "kept"}, priority="high", tags=["a", "b"], max_retries=7)
    board.redis.delete(board.keys.task(task_id))
    worker = board.worker(threads=1)
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["priority"]) == ("succeeded", "kept", "high")
    assert (ended["tags"], ended["max_retries"]) == (["a", "b"], 7)
    worker.stop()


def test_workers_without_a_type_leave_its_tasks_to_those_with_it(board: Installation) -> None:
    without = board.worker(threads=1)
    task_id = board.submit("brand_new", priority="high")
    without.wait_log("'brand_new' is unknown here")
    knowing = board.worker(threads=1, actors="tests.tasks_for_tests,tests.integration.worker.extra_tasks")
    without.stop()
    ended = board.wait(task_id)
    assert (ended["status"], ended["result"], ended["attempts"]) == ("succeeded", knowing.pid, 1)
    assert ended["priority"] == "high"
    knowing.stop()


def test_a_worker_beats_while_it_lives_and_takes_its_leave(board: Installation) -> None:
    gate = board.path("gate")
    worker = board.worker(threads=2)
    task_id = board.submit("gated", {"ledger": board.path("ledger"), "gate": gate})
    board.wait(task_id, State.RUNNING)

    def entry() -> Any:
        found = board.loop.run(board.service.board.workers())
        mine = [each for each in found if each.pid == worker.pid]
        return mine[0] if mine else None

    soon(lambda: entry() is not None and entry().running == [task_id], "its heartbeat names the task")
    assert (entry().threads, entry().queues) == (2, ["data", "default", "email"])
    board.open_gate(gate)
    board.wait(task_id)
    worker.stop()
    assert entry() is None
