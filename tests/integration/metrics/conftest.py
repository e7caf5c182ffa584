"""Callboard in three forms: two web processes and a worker with an endpoint of its own, and embedded."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.integration.metrics.scraping import Scrape, scrape
from tests.patience import PATIENCE_S, wait_until

TASKS = "tests.tasks_for_tests"


@pytest.fixture(scope="package")
def worker_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="package")
def stack(
    rabbitmq: RabbitNode,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
    worker_port: int,
) -> Iterator[Board]:
    """Two web processes and one worker."""
    folder = tmp_path_factory.mktemp("metrics")
    settings = {"actors": TASKS, "web_processes": 2, "worker_metrics_port": worker_port}
    with serving.stack(folder, rabbitmq, redis_server, f"m{worker_port}", **settings) as board:
        wait_until(lambda: _all_ready(board), what="both web processes are ready")
        yield board


def _all_ready(board: Board) -> bool:
    """Tell whether whoever answers is ready; a connection each, so that both are asked."""
    return all(httpx.get(f"{board.url}/readyz", timeout=PATIENCE_S).status_code == 200 for _ in range(20))


@pytest.fixture
def web(stack: Board) -> Callable[[], Scrape]:
    """What the web service says."""
    return lambda: scrape(f"{stack.url}/metrics")


@pytest.fixture
def worker(stack: Board, worker_port: int) -> Callable[[], Scrape]:
    """What the worker says."""
    return lambda: scrape(f"http://127.0.0.1:{worker_port}/metrics")


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One process."""
    folder: Path = tmp_path_factory.mktemp("metrics-embedded")
    with serving.embedded(folder, actors=f"{TASKS},actors.demo") as board:
        yield board
