"""A broker on a bench: either kind behind the same few words, so that one suite tests both.

`send` publishes as the worker does, `publish` as the web process does; messages are numbered.
"""

import asyncio
import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import dramatiq
import pika
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed

from callboard.broker.embedded import EmbeddedBroker
from callboard.broker.embedded_publisher import EmbeddedPublisher
from callboard.broker.publisher import Publisher
from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Exchange, Queue, Topology
from callboard.errors import Unavailable
from callboard.local.rabbitmq import RabbitNode
from tests.patience import PATIENCE_S, wait_until

T = TypeVar("T")

LOW, NORMAL, HIGH = 0, 1, 2
_HOUR_MS = 3_600_000


class Sending(Protocol):
    """What both publishers have."""

    def start(self) -> None: ...
    def problem(self) -> str | None: ...
    async def publish(
        self, queue: str, body: bytes, level: int, message_id: str, delay_ms: int = 0
    ) -> None: ...
    async def close(self) -> None: ...


class Loop:
    """An event loop in a thread of its own, so that tests read from top to bottom."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def call(self, function: Any) -> None:
        """Call a function inside the loop."""

        async def inside() -> None:
            function()

        self.run(inside())

    def close(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


def wait_connected(publisher: Sending) -> None:
    """Wait until a publisher can publish."""
    wait_until(lambda: publisher.problem() is None, what="the publisher is connected")


@contextmanager
def publishing(loop: Loop, publisher: Sending) -> Iterator[Sending]:
    """Start a publisher in the loop and wait until it can publish."""
    loop.call(publisher.start)
    try:
        wait_connected(publisher)
        yield publisher
    finally:
        loop.run(publisher.close())


def message(number: int, queue: str, level: int | None = NORMAL, **options: Any) -> dramatiq.Message[Any]:
    """Return a message that carries a number."""
    if level is not None:
        options["broker_priority"] = level
    return dramatiq.Message(queue, "any", (), {"n": number}, options)


def number(found: MessageProxy | dramatiq.Message[Any]) -> int:
    """Return the number a message carries."""
    carried: int = found.kwargs["n"]
    return carried


class Bench(ABC):
    """One broker with one queue that is this test's own."""

    def __init__(self, loop: Loop, broker: Any, publisher: Sending, queue: str) -> None:
        self.loop = loop
        self.broker = broker
        self.publisher = publisher
        self.queue = queue
        self._open: list[Consumer] = []

    def message(self, number: int, level: int | None = NORMAL, **options: Any) -> dramatiq.Message[Any]:
        """Return a message for this queue."""
        return message(number, self.queue, level, **options)

    def send(self, number: int, level: int | None = NORMAL, delay_ms: int | None = None) -> None:
        """Publish as a worker does."""
        self.broker.enqueue(self.message(number, level), delay=delay_ms)

    def publish(self, number: int, level: int = NORMAL, delay_ms: int = 0) -> None:
        """Publish as the web process does."""
        self.publish_many([number], level, delay_ms)

    def publish_many(self, numbers: Sequence[int], level: int = NORMAL, delay_ms: int = 0) -> None:
        """Publish all of them at the same time and wait for every confirm."""

        async def all_at_once() -> None:
            await asyncio.gather(*(self._publish(each, level, delay_ms) for each in numbers))

        self.loop.run(all_at_once())

    async def _publish(self, number: int, level: int, delay_ms: int) -> None:
        made = self.message(number, level)
        await self.publisher.publish(self.queue, made.encode(), level, made.message_id, delay_ms)

    def publish_far(self, count: int) -> None:
        """Publish `count` messages that are due in an hour."""
        self.publish_many(range(count), delay_ms=_HOUR_MS)

    def publish_at_last(self, number: int, level: int = NORMAL, delay_ms: int = 0) -> None:
        """Publish as soon as that works (again)."""

        def published() -> bool:
            try:
                self.publish(number, level, delay_ms)
            except Unavailable:
                return False
            return True

        wait_until(published, what="a message can be published")

    def consumer(self, prefetch: int = 1) -> Consumer:
        """Return a consumer of the queue; it looks for 100 ms each time. Closed with the test."""
        made: Consumer = self.broker.consume(self.queue, prefetch, 100)
        self._open.append(made)
        return made

    def close(self, consumer: Consumer) -> None:
        """Close a consumer, as the end of its process does."""
        self._open.remove(consumer)
        consumer.close()

    def close_all(self) -> None:
        """Close the consumers that are left; some tests have broken their connections."""
        for each in self._open:
            with contextlib.suppress(ConnectionClosed):
                each.close()

    @abstractmethod
    def ready(self) -> int:
        """Return how many messages could be delivered now."""

    @abstractmethod
    def dead(self) -> list[int]:
        """Take the numbers of the dead letters, oldest first."""

    def wait_ready(self, count: int) -> None:
        """Wait until so many messages could be delivered."""
        wait_until(lambda: self.ready() == count, what=f"{count} messages are ready")

    def wait_dead(self, count: int) -> list[int]:
        """Wait for so many dead letters and take them."""
        found: list[int] = []

        def enough() -> bool:
            found.extend(self.dead())
            return len(found) >= count

        wait_until(enough, what=f"{count} dead letters")
        return found


def take(consumer: Consumer, count: int) -> list[MessageProxy]:
    """Return the next messages, unacked."""
    found: list[MessageProxy] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} messages came"
        if (each := next(consumer)) is not None:
            found.append(each)
    return found


def finish(consumer: Consumer, count: int) -> list[int]:
    """Take and ack the next messages one by one; return their numbers."""
    found = []
    for _ in range(count):
        (each,) = take(consumer, 1)
        consumer.ack(each)
        found.append(number(each))
    return found


class RabbitBench(Bench):
    """On a real RabbitMQ."""

    def __init__(
        self, loop: Loop, broker: WorkerBroker, publisher: Publisher, queue: str, topology: Topology
    ) -> None:
        super().__init__(loop, broker, publisher, queue)
        self._topology = topology
        broker.declare_queue(queue, ensure=True)

    def ready(self) -> int:
        declared = self.broker.channel.queue_declare(self._topology.work_queue(self.queue), passive=True)
        count: int = declared.method.message_count
        return count

    def dead(self) -> list[int]:
        found: list[int] = []
        while True:
            method, _, body = self.broker.channel.basic_get(
                self._topology.dead_queue(self.queue), auto_ack=True
            )
            if method is None:
                return found
            found.append(number(dramatiq.Message.decode(body)))


class EmbeddedBench(Bench):
    """In this process."""

    def __init__(self, loop: Loop, broker: EmbeddedBroker, queue: str) -> None:
        super().__init__(loop, broker, EmbeddedPublisher(broker), queue)
        broker.declare_queue(queue)

    def ready(self) -> int:
        ready: int = self.broker.depth(self.queue)[0]
        return ready

    def dead(self) -> list[int]:
        letters = self.broker.dead[self.queue]
        found = [number(dramatiq.Message.decode(body)) for body in letters]
        letters.clear()
        return found


@contextmanager
def installation(
    node: RabbitNode, loop: Loop, topology: Topology
) -> Iterator[tuple[WorkerBroker, Publisher]]:
    """Connect both ways to a node."""
    broker = WorkerBroker(node.url, topology, [])
    publisher = Publisher(node.url, topology, ["default"], confirm_timeout_s=PATIENCE_S)
    try:
        with publishing(loop, publisher):
            yield broker, publisher
    finally:
        broker.close()


def forget(node: RabbitNode, topology: Topology) -> None:
    """Delete the ladder and the default queue of a namespace with all they hold."""
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        channel = connection.channel()
        for each in topology.declarations(["default"]):
            if isinstance(each, Queue):
                channel.queue_delete(each.name)
            elif isinstance(each, Exchange):
                channel.exchange_delete(each.name)
