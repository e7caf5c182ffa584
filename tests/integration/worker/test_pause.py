"""Paused queues: nothing of them starts, whatever dies meanwhile, and nothing of them is held by a worker."""

import secrets
import signal
from collections.abc import Iterator

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store import queues
from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, Worker, installation, soon
from tests.patience import stand_still


@pytest.fixture(scope="module")
def board(
    rabbitmq: RabbitNode, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A namespace on a Redis that a test may kill."""
    folder = tmp_path_factory.mktemp("pause")
    with installation(folder, rabbitmq.url, own_redis.url, f"t{secrets.token_hex(6)}") as made:
        yield made


@pytest.fixture(autouse=True)
def all_run(board: Installation) -> Iterator[None]:
    """No queue stays paused, and no worker outlives its test."""
    yield
    for name in ("default", "email", "data"):
        resume(board, name)
    board.clear()


def pause(board: Installation, *names: str) -> None:
    for each in names:
        board.store.run(queues.pause(board.keys, each))


def resume(board: Installation, name: str) -> None:
    board.store.run(queues.resume(board.keys, name))


def hears(worker: Worker, text: str, times: int = 1) -> None:
    """Wait until a worker has heard what is paused."""
    soon(lambda: worker.log().count(f"paused queues: {text}\n") >= times, f"it hears of {text}")


def test_nothing_starts_from_the_moment_of_the_pause(board: Installation) -> None:
    """The worker is busy consuming: what it has not claimed by now waits, whether it has heard or not."""
    ledger = board.path("ledger")
    worker = board.worker(threads=4)
    board.wait(board.submit("noted", {"ledger": ledger}))
    pause(board, "default")
    made = board.submit_many([{"task_type": "noted", "parameters": {"ledger": ledger}}] * 20)
    hears(worker, "default")
    soon(lambda: board.messages() == 20, "none is held by the worker")
    assert {board.status(each) for each in made} == {"queued"}
    assert len(board.ledger(ledger)) == 1
    resume(board, "default")
    assert {board.wait(each)["attempts"] for each in made} == {1}
    assert len(board.ledger(ledger)) == 21
    worker.stop()


def test_what_runs_ends_and_what_waits_in_the_worker_is_given_back(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    worker = board.worker(threads=1)
    running = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    mail = board.submit("mail", {"ledger": ledger})
    crunch = board.submit("crunch", {"ledger": ledger})
    soon(lambda: board.messages("email") == 0 == board.messages("data"), "they are prefetched")
    pause(board, "default", "email")
    soon(lambda: board.messages("email") == 1, "the mail is back in RabbitMQ")
    assert board.messages("data") == 0, "that queue is not paused"
    board.open_gate(gate)
    assert board.wait(running)["status"] == "succeeded"
    assert board.wait(crunch)["status"] == "succeeded"
    assert board.status(mail) == "queued"
    assert board.messages() == 0, "what ran is acked"
    resume(board, "email")
    assert board.wait(mail)["result"] == worker.pid
    worker.stop()


def test_a_pause_holds_over_every_restart_of_workers(board: Installation) -> None:
    ledger = board.path("ledger")
    pause(board, "default")
    made = board.submit_many([{"task_type": "noted", "parameters": {"ledger": ledger}}] * 8)
    first = board.worker(threads=2)
    assert board.wait(board.submit("mail", {"ledger": board.path("mail")}))["result"] == first.pid
    first.kill()
    second = board.worker(threads=2)
    assert board.wait(board.submit("mail", {"ledger": board.path("mail")}))["result"] == second.pid
    assert second.stop() == 0
    third = board.worker(threads=2)
    hears(third, "default")
    assert board.wait(board.submit("mail", {"ledger": board.path("mail")}))["result"] == third.pid
    assert board.ledger(ledger) == []
    assert board.messages() >= 8, "on a slow machine one may have been sent twice"
    resume(board, "default")
    assert {board.wait(each)["result"] for each in made} == {third.pid}
    assert len(board.ledger(ledger)) == 8
    third.stop()


def test_a_task_whose_worker_dies_waits_while_its_queue_is_paused(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    first = board.worker(threads=1)
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    pause(board, "default")
    first.kill()
    board.redis.hset(board.keys.task(task_id), "lease_ms", 0)
    second = board.worker(threads=1)
    assert board.wait(board.submit("mail", {"ledger": board.path("mail")}))["result"] == second.pid
    assert len(board.ledger(ledger)) == 1
    assert board.messages() == 1
    board.open_gate(gate)
    resume(board, "default")
    assert board.wait(task_id)["result"] == second.pid
    second.stop()


def test_retries_and_delays_of_a_paused_queue_wait_too(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    worker = board.worker(threads=2)
    running = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    retried = board.submit("not_yet", {"times": 1, "after": 0.3})
    delayed = board.submit("noted", {"ledger": ledger}, delay=0.5, priority="high")
    board.wait(retried, State.RETRYING)
    pause(board, "default")
    soon(lambda: board.messages() == 2, "both have come back from the ladder and wait")
    soon(lambda: board.status(retried) == "queued" == board.status(delayed), "they are shown as queued")
    board.open_gate(gate)
    assert board.wait(running)["status"] == "succeeded"
    assert board.messages() == 2
    resume(board, "default")
    assert {board.wait(each)["status"] for each in (retried, delayed)} == {"succeeded"}
    worker.stop()


def test_urgent_tasks_are_first_after_a_pause(board: Installation) -> None:
    ledger = board.path("ledger")
    worker = board.worker(threads=1)
    pause(board, "default")
    made = [
        board.submit("noted", {"ledger": ledger, "value": level}, priority=level)
        for level in ("low", "normal", "high", "low", "high")
    ]
    hears(worker, "default")
    soon(lambda: board.messages() == 5, "all wait in RabbitMQ")
    resume(board, "default")
    for each in made:
        board.wait(each)
    order = [each["value"] for each in board.ledger(ledger)]
    assert order == ["high", "high", "normal", "low", "low"]
    worker.stop()


def test_a_frozen_worker_that_never_heard_of_the_pause_starts_nothing(board: Installation) -> None:
    ledger = board.path("ledger")
    worker = board.worker(threads=2)
    board.wait(board.submit("noted", {"ledger": ledger}))
    stand_still(worker.pid)
    pause(board, "default")
    made = [board.submit("noted", {"ledger": ledger}) for _ in range(4)]
    worker.process.send_signal(signal.SIGCONT)
    soon(lambda: board.messages() == 4, "it gives back what RabbitMQ had sent it")
    assert {board.status(each) for each in made} == {"queued"}
    resume(board, "default")
    for each in made:
        board.wait(each)
    worker.stop()


def test_a_pause_outlives_redis_and_a_worker_without_redis_starts_nothing(
    board: Installation, own_redis: RedisServer
) -> None:
    ledger = board.path("ledger")
    old = board.worker(threads=1)
    pause(board, "default")
    made = [board.submit("noted", {"ledger": ledger}) for _ in range(3)]
    hears(old, "default")
    own_redis.kill()
    new = board.worker("--queues=default", threads=1)
    new.wait_log("cannot claim task")
    own_redis.start()
    own_redis.wait_ready()
    hears(new, "default")
    soon(lambda: board.messages() == 3, "the new one gives back what it took")
    assert board.ledger(ledger) == []
    resume(board, "default")
    assert {board.wait(each)["status"] for each in made} == {"succeeded"}
    assert len(board.ledger(ledger)) == 3
    for each in (old, new):
        assert each.stop() == 0
