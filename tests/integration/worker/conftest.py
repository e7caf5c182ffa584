"""Fixtures of the worker's tests: one namespace for a file's tests, on the shared servers."""

import secrets
from collections.abc import Iterator

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.worker.harness import Installation, Worker, installation


@pytest.fixture(scope="module")
def board(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A namespace without workers."""
    folder = tmp_path_factory.mktemp("worker")
    with installation(folder, rabbitmq.url, redis_server.url, f"t{secrets.token_hex(6)}") as made:
        yield made


@pytest.fixture(scope="module")
def worker(board: Installation) -> Worker:
    """A worker process that a file's tests share and none of them harms."""
    return board.worker(threads=4)


@pytest.fixture
def alone(board: Installation) -> Iterator[Installation]:
    """The namespace for a test with workers of its own; none of them, nor their tasks, outlives it."""
    yield board
    board.clear()
