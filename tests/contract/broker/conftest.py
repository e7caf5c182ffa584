"""Runs each test of the conformance suite on a real RabbitMQ and on the embedded broker.

One namespace serves all of them, each with a queue of its own: a namespace has 28 queues for delays.
"""

import itertools
from collections.abc import Iterator

import pytest

from callboard.broker.embedded import EmbeddedBroker
from callboard.broker.publisher import Publisher
from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Topology
from callboard.local.rabbitmq import RabbitNode
from tests.contract.broker.bench import Bench, EmbeddedBench, Loop, RabbitBench, forget, installation
from tests.servers import running_rabbitmq

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """An event loop for publishers."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def topology(request: pytest.FixtureRequest) -> Topology:
    """The names in RabbitMQ that the tests of one module use."""
    return Topology(f"t-{request.module.__name__.rpartition('.')[2]}-{next(_NUMBERS)}")


@pytest.fixture(scope="module")
def rabbit(rabbitmq: RabbitNode, loop: Loop, topology: Topology) -> Iterator[tuple[WorkerBroker, Publisher]]:
    """Both ways into the shared RabbitMQ."""
    with installation(rabbitmq, loop, topology) as connected:
        yield connected
    forget(rabbitmq, topology)


@pytest.fixture
def queue() -> str:
    """A queue that no other test uses."""
    return f"q{next(_NUMBERS)}"


@pytest.fixture
def rabbit_bench(
    rabbit: tuple[WorkerBroker, Publisher], loop: Loop, topology: Topology, queue: str
) -> Iterator[RabbitBench]:
    """The bench on the shared RabbitMQ."""
    made = RabbitBench(loop, *rabbit, queue, topology)
    yield made
    made.close_all()
    rabbit[0].channel.queue_delete(topology.work_queue(queue))
    rabbit[0].channel.queue_delete(topology.dead_queue(queue))


@pytest.fixture
def embedded_bench(loop: Loop, queue: str) -> Iterator[EmbeddedBench]:
    """The bench in this process."""
    broker = EmbeddedBroker([])
    made = EmbeddedBench(loop, broker, queue)
    yield made
    made.close_all()
    broker.close()


@pytest.fixture(params=["rabbitmq", "embedded"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A bench of either kind."""
    wanted = "rabbit_bench" if request.param == "rabbitmq" else "embedded_bench"
    made: Bench = request.getfixturevalue(wanted)
    return made


@pytest.fixture(scope="package")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """A RabbitMQ that tests may kill and alarm; each leaves it running and without alarms."""
    with running_rabbitmq(tmp_path_factory.mktemp("own-rabbitmq")) as node:
        yield node
