"""Servers that tests of this folder may break; each test leaves them running and as they were."""

from collections.abc import Iterator

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.servers import running_rabbitmq, running_redis


@pytest.fixture(scope="package")
def own_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """A RabbitMQ that may be stopped and alarmed."""
    with running_rabbitmq(tmp_path_factory.mktemp("own-rabbitmq")) as node:
        yield node


@pytest.fixture(scope="package")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that may be stopped, frozen and configured."""
    with running_redis(tmp_path_factory.mktemp("own-redis")) as server:
        yield server
