"""RabbitMQ or Redis away while a worker starts, runs and ends a task: it waits, and nothing is lost.

On servers of their own, which the tests kill.
"""

import os
import secrets
import signal
from collections.abc import Iterator

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.tasks.states import State
from tests.integration.worker.harness import Installation, installation, soon
from tests.patience import stand_still
from tests.servers import require_servers, running_redis


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """A RabbitMQ that is not started yet."""
    require_servers()
    made = RabbitNode(tmp_path_factory.mktemp("outages-rabbitmq"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that tests may kill; each leaves it running."""
    with running_redis(tmp_path_factory.mktemp("outages-redis")) as made:
        yield made


@pytest.fixture(scope="module")
def board(
    node: RabbitNode, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A namespace on these servers."""
    folder = tmp_path_factory.mktemp("outages")
    with installation(folder, node.url, redis.url, f"t{secrets.token_hex(6)}") as made:
        yield made


def test_a_worker_that_waits_for_rabbitmq_can_be_stopped(board: Installation) -> None:
    worker = board.worker(threads=1)
    worker.wait_log("Connection refused")
    assert worker.stop() == 0


def test_a_worker_started_before_rabbitmq_says_so_and_starts_when_it_comes(
    board: Installation, node: RabbitNode
) -> None:
    worker = board.worker(threads=2)
    worker.wait_log(f"RabbitMQ at 127.0.0.1:{node.port}: [Errno 111] Connection refused")
    assert "Traceback" not in worker.log()
    assert board.settings.broker_url not in worker.log(), "it holds the password"
    node.start()
    node.wait_ready()
    ended = board.wait(board.submit("echo", {"value": 1}))
    assert (ended["status"], ended["result"]) == ("succeeded", 1)
    assert worker.stop() == 0


def test_a_worker_started_before_redis_waits_with_its_task(board: Installation, redis: RedisServer) -> None:
    task_id = board.submit("echo", {"value": 1})
    redis.kill()
    worker = board.worker(threads=1)
    worker.wait_log(f"cannot claim task {task_id} yet")
    redis.start()
    redis.wait_ready()
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"]) == ("succeeded", 1)
    assert [each["status"] for each in ended["history"]] == ["succeeded"]
    assert worker.stop() == 0


def test_what_ends_while_redis_is_away_is_recorded_when_it_is_back(
    board: Installation, redis: RedisServer
) -> None:
    worker = board.worker(threads=2)
    gate, ledger = board.path("gate"), board.path("ledger")
    succeeds = board.submit("gated", {"ledger": ledger, "gate": gate})
    fails = board.submit("gated_permanent", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started", 2)
    soon(lambda: board.lines(succeeds), "the first line is written")

    redis.kill()
    board.open_gate(gate)
    board.wait_ledger(ledger, "ended")
    worker.wait_log(f"task {succeeds} yet")
    worker.wait_log(f"cannot record task {fails} yet")
    redis.start()
    redis.wait_ready()

    ended = board.wait(succeeds)
    assert (ended["status"], ended["result"], ended["stage"]) == ("succeeded", worker.pid, "CONCLUDING")
    assert [each["message"] for each in board.lines(succeeds)] == ["before the gate", "after the gate"]
    assert (board.wait(fails)["status"], board.view(fails)["attempts"]) == ("failed", 1)
    assert len(board.ledger(ledger, "started")) == 2, "nothing ran twice"
    assert [each["message_id"] for each in board.dead_letters()] == [fails]
    assert worker.stop() == 0


def test_a_redis_that_hangs_is_waited_for(board: Installation, redis: RedisServer) -> None:
    worker = board.worker(threads=1)
    gate, ledger = board.path("gate"), board.path("ledger")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    stand_still(redis.pid)
    try:
        board.open_gate(gate)
        worker.wait_log(f"task {task_id} yet")
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"], len(ended["history"])) == ("succeeded", 1, 1)
    assert worker.stop() == 0


def test_a_worker_stopped_while_redis_is_away_gives_its_task_back(
    board: Installation, redis: RedisServer
) -> None:
    worker = board.worker(threads=1, drain_timeout="0.5")
    gate, ledger = board.path("gate"), board.path("ledger")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    redis.kill()
    board.open_gate(gate)
    worker.wait_log(f"task {task_id} yet")
    assert worker.stop() == 0, "it need not wait for Redis"
    redis.start()
    redis.wait_ready()
    assert board.status(task_id) == State.RUNNING
    board.redis.hset(board.keys.task(task_id), "lease_ms", 0)
    other = board.worker(threads=1)
    assert board.wait(task_id)["result"] == other.pid
    assert other.stop() == 0


def test_a_task_whose_connection_breaks_is_not_run_a_second_time(
    board: Installation, node: RabbitNode
) -> None:
    """RabbitMQ hands its message out again at once; the lease keeps the copy waiting."""
    workers = [board.worker(threads=2) for _ in range(2)]
    gate, ledger = board.path("gate"), board.path("ledger")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    node.ctl("close_all_connections", "--vhost", "callboard", "a test")
    board.wait_connected()
    soon(lambda: board.messages() == 0, "the copy has been handed out")
    assert board.wait(board.submit("echo", {"value": 1}))["status"] == "succeeded"
    board.open_gate(gate)
    ended = board.wait(task_id)
    assert (ended["status"], ended["attempts"], len(ended["history"])) == ("succeeded", 1, 1)
    for each in workers:
        assert each.stop() == 0
    assert len(board.ledger(ledger, "started")) == 1


def test_what_ends_while_rabbitmq_is_away_is_recorded_once(board: Installation, node: RabbitNode) -> None:
    worker = board.worker(threads=3)
    gate, ledger = board.path("gate"), board.path("ledger")
    succeeds = board.submit("gated", {"ledger": ledger, "gate": gate})
    fails = board.submit("gated_permanent", {"ledger": ledger, "gate": gate})
    retries = board.submit("boom", {"times": 1})
    waits = board.submit("echo", {"value": 1}, delay=3600)
    board.wait_ledger(ledger, "started", 2)
    board.wait(retries, State.RETRYING)

    node.kill()
    board.open_gate(gate)
    assert board.wait(succeeds)["status"] == "succeeded", "its end needs Redis only"
    worker.wait_log(f"cannot dead-letter task {fails} yet")
    node.start()
    node.wait_ready()

    assert board.wait(fails)["status"] == "failed"
    assert board.wait(retries)["result"] == 2
    assert board.status(waits) == "scheduled"
    board.wait_connected()
    assert board.wait(board.submit("echo", {"value": 2}))["result"] == 2
    soon(lambda: board.messages() == 0, "what came again has been skipped")
    assert len(board.ledger(ledger, "started")) == 2, "nothing ran twice"
    assert [each["message_id"] for each in board.dead_letters()] == [fails]
    for each in (succeeds, fails):
        assert board.view(each)["attempts"] == 1
    assert worker.stop() == 0


def test_a_worker_can_be_stopped_while_rabbitmq_takes_no_messages(
    board: Installation, node: RabbitNode
) -> None:
    """Its thread has to put off a task that another worker holds, and waits for the memory alarm to end."""
    tasks = [board.submit("echo", {"value": 1}) for _ in range(4)]
    for each in tasks:
        board.redis.hset(board.keys.task(each), mapping={"status": "running", "lease_ms": 2**45, "run": 1})
    node.ctl("set_vm_memory_high_watermark", "0")
    try:
        worker = board.worker(threads=4, drain_timeout="0.5")
        worker.wait_log("cannot defer task")
        assert worker.stop() == 0
    finally:
        node.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    assert "Traceback" not in worker.log()
    for each in tasks:
        board.redis.hset(board.keys.task(each), "lease_ms", 0)
    other = board.worker(threads=1)
    assert {board.wait(each)["status"] for each in tasks} == {"succeeded"}
    assert other.stop() == 0
