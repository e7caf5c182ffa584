"""One namespace with a worker and a dashboard, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.dashboard import site as sites
from tests.integration.dashboard.site import Site
from tests.integration.worker.harness import Installation


@pytest.fixture(scope="package")
def board(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A namespace with one worker."""
    with sites.one_worker(tmp_path_factory.mktemp("dashboard"), rabbitmq, redis_server) as made:
        yield made


@pytest.fixture(scope="package")
def process(board: Installation) -> Site:
    """The dashboard's process; `site` is a visitor of it."""
    return sites.start(board)


@pytest.fixture
def site(process: Site) -> Site:
    """A visitor who comes for the first time."""
    return process.visitor()
