"""Dead letters on RabbitMQ live as long as a record, whatever they are, so that no queue grows for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pika
import pytest

from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Topology
from callboard.local.rabbitmq import RabbitNode
from tests.contract.broker.bench import finish, forget, message, take
from tests.patience import wait_until

DAY_S = 86_400


class Cemetery:
    """A broker whose dead letters live for so long, and a channel to look at them."""

    def __init__(self, broker: WorkerBroker, channel: Any) -> None:
        self.broker = broker
        self.channel = channel
        self.name = broker.topology.dead_queue("default")

    def count(self) -> int:
        number: int = self.channel.queue_declare(self.name, passive=True).method.message_count
        return number

    def first(self) -> tuple[Any, bytes]:
        """Take the first dead letter; return its properties and body."""
        found: list[tuple[Any, bytes]] = []

        def there() -> bool:
            method, properties, body = self.channel.basic_get(self.name, auto_ack=True)
            if method is not None:
                found.append((properties, body))
            return bool(found)

        wait_until(there, what="a dead letter")
        return found[0]

    def wait_empty(self) -> None:
        wait_until(lambda: self.count() == 0, what="the dead letters have expired")


@contextmanager
def cemetery(node: RabbitNode, topology: Topology, ttl_s: float) -> Iterator[Cemetery]:
    broker = WorkerBroker(node.url, topology, [], dead_ttl_s=ttl_s)
    try:
        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            broker.declare_queue("default", ensure=True)
            yield Cemetery(broker, connection.channel())
    finally:
        broker.close()
        forget(node, topology)


@pytest.fixture(params=["classic", "quorum"])
def short(request: pytest.FixtureRequest, rabbitmq: RabbitNode, namespace: str) -> Iterator[Cemetery]:
    """Dead letters that live for 0.3 s."""
    with cemetery(rabbitmq, Topology(namespace, request.param), 0.3) as made:
        yield made


@pytest.fixture
def long(rabbitmq: RabbitNode, namespace: str) -> Iterator[Cemetery]:
    """Dead letters that live for a day."""
    with cemetery(rabbitmq, Topology(namespace), DAY_S) as made:
        yield made


def test_dead_letters_expire(short: Cemetery) -> None:
    for number in range(3):
        short.broker.dead_letter(message(number, "default"))
    short.wait_empty()


def test_a_dead_letter_says_how_long_it_lives_and_whose_it_is(long: Cemetery) -> None:
    dead = message(1, "default")
    long.broker.dead_letter(dead)
    properties, body = long.first()
    assert (properties.expiration, properties.message_id) == (str(DAY_S * 1000), dead.message_id)
    assert properties.delivery_mode == 2
    assert dramatiq.Message.decode(body) == dead


def test_a_rejected_message_lives_as_long(long: Cemetery) -> None:
    long.broker.enqueue(message(1, "default"))
    consumer = long.broker.consume("default", 1, 100)
    (held,) = take(consumer, 1)
    consumer.nack(held)
    assert long.first()[0].expiration == str(DAY_S * 1000)
    consumer.close()
    assert long.channel.basic_get(long.broker.topology.work_queue("default"))[0] is None


def test_what_nobody_can_decode_does_not_keep_those_behind_it(short: Cemetery) -> None:
    """RabbitMQ expires a message only when it is the first of its queue."""
    short.channel.basic_publish("", short.broker.topology.work_queue("default"), b"\x00 no message")
    short.broker.enqueue(message(1, "default"))
    consumer = short.broker.consume("default", 1, 100)
    assert finish(consumer, 1) == [1]
    short.broker.dead_letter(message(2, "default"))
    short.wait_empty()
    consumer.close()


def test_the_longest_time_there_is_can_be_asked_for(rabbitmq: RabbitNode, namespace: str) -> None:
    with cemetery(rabbitmq, Topology(namespace), 10**9) as made:
        made.broker.dead_letter(message(1, "default"))
        assert made.first()[0].expiration == str(2**32 - 1)


def test_delayed_and_waiting_messages_do_not_expire(long: Cemetery) -> None:
    for delay in (None, 100):
        long.broker.enqueue(message(1, "default"), delay=delay)
        work = long.broker.topology.work_queue("default")
        found: list[Any] = []

        def there(work: str = work, found: list[Any] = found) -> bool:
            method, properties, _ = long.channel.basic_get(work, auto_ack=True)
            if method is not None:
                found.append(properties.expiration)
            return bool(found)

        wait_until(there, what="the message")
        assert found == [None]
