"""Fixtures every test may use. Servers start when the first test asks for them and stop with the run."""

import secrets
import signal
from collections.abc import Generator, Iterator
from types import FrameType

import hypothesis
import pytest
from hypothesis import HealthCheck

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.servers import running_rabbitmq, running_redis

# Examples may take as long as they take, as machines are busy; fixtures serve all examples of a test.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """End the run in order on SIGTERM too (`timeout`, a cancelled CI job), so that no server is left."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel between the processes of a run: tests log text that is no UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """The RabbitMQ node all tests of this run share; `rabbitmq.url`. Leave it as you found it."""
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis all tests of this run share; `redis_server.url`. Leave it as you found it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A name that no other test uses, for CALLBOARD_NAMESPACE: tests that share servers do not meet."""
    return f"t{secrets.token_hex(6)}"
