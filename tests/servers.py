"""Real RabbitMQ and Redis for tests, on free ports of loopback, gone when the test run ends.

The session's own come as fixtures (conftest.py). A test that breaks a server starts its own with these.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer

ROOT = Path(__file__).parents[1]


@cache
def require_servers() -> None:
    """Install RabbitMQ and Redis if they are missing and that is possible; otherwise the test fails."""
    script = ROOT / "scripts/install-system.sh"
    done = subprocess.run(["bash", script, "servers"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"RabbitMQ and Redis are needed:\n{done.stderr}", pytrace=False)


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitNode]:
    """Run a RabbitMQ node of its own in `folder`, ready, and stop it; its log stays there."""
    require_servers()
    node = RabbitNode(folder)
    try:
        node.start()
        node.wait_ready()
        yield node
    finally:
        node.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis of its own in `folder`, ready, and stop it; its log stays there."""
    require_servers()
    server = RedisServer(folder)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)
