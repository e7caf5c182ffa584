"""A worker's own `/metrics`: off unless it is wanted, and one for each of several workers."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.local.ports import accepts, free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.metrics.scraping import scrape
from tests.integration.worker.harness import Installation, Worker, installation
from tests.patience import PATIENCE_S, wait_until


@pytest.fixture
def board(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path: Path, namespace: str
) -> Iterator[Installation]:
    with installation(tmp_path, rabbitmq.url, redis_server.url, namespace) as made:
        yield made


def address(worker: Worker) -> str:
    """Return the address that its log names."""
    worker.wait_log("metrics at ")
    found = re.search(r"metrics at (http://\S+)", worker.log())
    assert found is not None
    return found[1]


def test_two_workers_of_one_machine_have_one_each(board: Installation) -> None:
    (port,) = free_ports(1)
    workers = [board.worker(worker_metrics_port=str(port), ready=False) for _ in range(2)]
    urls = [address(each) for each in workers]
    assert len(set(urls)) == 2
    for each in workers:
        each.wait_log("worker ready")
    ids = [board.submit("echo", {"value": n}) for n in range(20)]
    for each in ids:
        board.wait(each)

    def done() -> float:
        return sum(scrape(url).total("callboard_task_runs_total", outcome="succeeded") for url in urls)

    wait_until(lambda: done() == 20, what="both together have counted all")
    assert all(scrape(url)("callboard_worker_up") == 1 for url in urls)
    assert all(worker.stop() == 0 for worker in workers)
    assert not accepts(port)


def test_a_worker_that_cannot_listen_says_so_and_ends(board: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65_535))
        taken.listen()
        worker = board.worker(worker_metrics_port="65535", ready=False)
        assert worker.process.wait(PATIENCE_S) == 2
    assert "CALLBOARD_WORKER_METRICS_PORT: cannot listen on 127.0.0.1" in worker.log()
    assert "Traceback" not in worker.log()


def test_clients_that_leave_or_never_ask_are_borne(board: Installation) -> None:
    (port,) = free_ports(1)
    worker = board.worker(worker_metrics_port=str(port))
    url = address(worker)
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as silent:
        silent.sendall(b"GET /met")
        for part in (
            b"G",
            b"GET /metrics HTTP/1.1\r\n",
            b"\xff\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\n\r\n",
        ) * 25:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
                client.sendall(part)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert scrape(url)("callboard_worker_up") == 1
        assert silent.recv(100) == b"", "it is closed"
    assert worker.stop() == 0
    assert "Traceback" not in worker.log()
