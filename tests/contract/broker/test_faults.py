"""RabbitMQ under alarm and killed: refused at once, nothing that was confirmed is lost.

On a node of their own; each test leaves it running and without alarms.
"""

import asyncio
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import StreamLostError

from callboard.broker.publisher import Publisher
from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Topology
from callboard.errors import Unavailable
from callboard.local.rabbitmq import RabbitNode
from tests.contract.broker.bench import (
    Loop,
    installation,
    message,
    number,
    publishing,
    take,
    wait_connected,
)
from tests.patience import PATIENCE_S, stand_still, wait_until


@pytest.fixture(scope="module")
def both(own_node: RabbitNode, loop: Loop, topology: Topology) -> Iterator[tuple[WorkerBroker, Publisher]]:
    """Both ways into the node of this file; they outlive what the tests do to it.

    The ladder stays: RabbitMQ 3.10 breaks when its queues are deleted soon after a crash.
    """
    with installation(own_node, loop, topology) as made:
        yield made


@pytest.fixture
def connected(both: tuple[WorkerBroker, Publisher], topology: Topology) -> tuple[WorkerBroker, Publisher]:
    """The same, connected and with nothing in the queue."""
    broker, publisher = both
    wait_connected(publisher)
    broker.enqueue(message(0, "default"))
    broker.channel.queue_purge(topology.work_queue("default"))
    return both


async def _outcomes(publisher: Publisher, numbers: range, delay_ms: int = 0) -> list[BaseException | None]:
    made = [message(n, "default") for n in numbers]
    return await asyncio.gather(
        *(publisher.publish("default", each.encode(), 1, each.message_id, delay_ms) for each in made),
        return_exceptions=True,
    )


def _publish(loop: Loop, publisher: Publisher, number: int) -> None:
    (outcome,) = loop.run(_outcomes(publisher, range(number, number + 1)))
    if outcome is not None:
        raise outcome


def _publish_at_last(loop: Loop, publisher: Publisher, number: int) -> None:
    def published() -> bool:
        try:
            _publish(loop, publisher, number)
        except Unavailable:
            return False
        return True

    wait_until(published, what="a message can be published")


def _drain(broker: WorkerBroker, enough: set[int]) -> list[int]:
    """Consume from a node that has just started until all of `enough` have come."""
    found: list[int] = []
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not enough <= set(found):
        assert time.monotonic() < deadline, f"lost: {sorted(enough - set(found))[:20]}"
        try:
            consumer = broker.consume("default", 200, 100)
            while not enough <= set(found) and time.monotonic() < deadline:
                if (each := next(consumer)) is not None:
                    found.append(number(each))
                    consumer.ack(each)
            consumer.close()
        except ConnectionClosed:
            continue
    return found


def test_a_memory_alarm_refuses_at_once_and_recovers(
    own_node: RabbitNode, loop: Loop, connected: tuple[WorkerBroker, Publisher]
) -> None:
    _, publisher = connected
    _publish(loop, publisher, 0)
    own_node.ctl("set_vm_memory_high_watermark", "0")
    try:
        # RabbitMQ says so when it next hears from a connection; whoever waited for the confirm would hear
        # that there was none, and only after more time than this test has.
        with pytest.raises(Unavailable, match="accepts no messages"):
            _publish(loop, publisher, 1)
        assert "accepts no messages" in (publisher.problem() or "")
        assert all(isinstance(each, Unavailable) for each in loop.run(_outcomes(publisher, range(100))))
    finally:
        own_node.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    _publish_at_last(loop, publisher, 2)
    assert publisher.problem() is None


def test_an_alarm_ends_a_workers_publish_in_an_error_it_tries_again(
    own_node: RabbitNode, connected: tuple[WorkerBroker, Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, _ = connected
    del broker.connection  # the next one has less patience than in earnest
    monkeypatch.setattr(broker.parameters[0], "blocked_connection_timeout", 1)
    broker.enqueue(message(0, "default"))
    own_node.ctl("set_vm_memory_high_watermark", "0")
    try:
        with pytest.raises(ConnectionClosed, match="RabbitMQ at"):
            broker.enqueue(message(1, "default"))
    finally:
        own_node.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    broker.enqueue(message(2, "default"))
    assert {0, 2} <= set(_drain(broker, {0, 2}))


def test_connections_cut_by_the_operator_are_made_again(
    own_node: RabbitNode, loop: Loop, connected: tuple[WorkerBroker, Publisher]
) -> None:
    broker, publisher = connected
    consumer: Any = broker.consume("default", 1, 100)
    broker.enqueue(message(1, "default"))
    own_node.ctl("close_all_connections", "--vhost", "callboard", "a test")
    with pytest.raises(ConnectionClosed):
        take(consumer, 2)
    broker.enqueue(message(2, "default"))
    _publish_at_last(loop, publisher, 3)
    assert {1, 2, 3} <= set(_drain(broker, {1, 2, 3}))


def test_a_rabbitmq_that_hangs_fails_publishes_in_time_and_is_used_again(
    own_node: RabbitNode, loop: Loop, topology: Topology
) -> None:
    publisher = Publisher(own_node.url, topology, ["default"], confirm_timeout_s=0.5)
    with publishing(loop, publisher):
        _publish_at_last(loop, publisher, 1)
        stand_still(own_node.pid)
        try:
            outcomes = loop.run(_outcomes(publisher, range(2, 52)))
        finally:
            os.kill(own_node.pid, signal.SIGCONT)
        assert [each for each in outcomes if not isinstance(each, Unavailable)] == []
        _publish_at_last(loop, publisher, 52)


def test_a_killed_rabbitmq_loses_nothing_that_was_confirmed(
    own_node: RabbitNode, loop: Loop, connected: tuple[WorkerBroker, Publisher]
) -> None:
    """With classic queues as the ladder, 11 of 3,000 delayed ones were lost (engine.md §2)."""
    broker, publisher = connected
    delayed = range(100_000, 100_500)
    for start, delay_ms in zip(delayed[::100], (100, 300, 700, 1_500, 3_100), strict=True):
        assert loop.run(_outcomes(publisher, range(start, start + 100), delay_ms)) == [None] * 100
    assert loop.run(_outcomes(publisher, range(300))) == [None] * 300

    killer = threading.Thread(target=own_node.kill)
    outcomes: list[BaseException | None] = []

    async def publish_through_it() -> None:
        killer.start()
        for start in range(300, 20_300, 500):  # until it is dead, and then some
            outcomes.extend(await _outcomes(publisher, range(start, start + 500)))

    loop.run(publish_through_it())
    killer.join()
    assert all(each is None or isinstance(each, Unavailable) for each in outcomes)
    assert isinstance(outcomes[-1], Unavailable)
    wait_until(lambda: "refused" in (publisher.problem() or ""), what="it says why")
    with pytest.raises(ConnectionClosed, match="refused"):
        broker.enqueue(message(1, "default"))

    own_node.start()
    own_node.wait_ready()
    broker.enqueue(message(99_998, "default"))
    _publish_at_last(loop, publisher, 99_999)
    confirmed = {n for n, each in enumerate(outcomes, start=300) if each is None}
    found = _drain(broker, confirmed | {*range(300), *delayed, 99_998, 99_999})
    at_once = [each for each in found if each not in delayed]
    assert len(at_once) == len(set(at_once)), "something came twice"
    assert len(found) - len(at_once) < 550, (
        "the ladder delivers at least once; the claim skips what came before"
    )


def test_a_connection_that_breaks_while_it_is_made_is_an_outage_like_others(
    own_node: RabbitNode, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pika makes of it is a ValueError: the peer has reset before it asked the socket who that is."""
    broker = WorkerBroker(own_node.url, topology, [])

    def gone(_self: socket.socket) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "getpeername", gone)
        with pytest.raises(ConnectionClosed, match=f"RabbitMQ at 127.0.0.1:{own_node.port}: "):
            broker.enqueue(message(0, "default"))
        with pytest.raises(ConnectionClosed, match=f"RabbitMQ at 127.0.0.1:{own_node.port}: "):
            broker.consume("default")
    broker.enqueue(message(0, "default"))
    broker.close()


def test_a_channel_that_breaks_while_it_is_made_is_made_again(
    own_node: RabbitNode, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = WorkerBroker(own_node.url, topology, [])
    confirm = BlockingChannel.confirm_delivery
    broken = []

    def broken_once(self: BlockingChannel) -> None:
        if not broken:
            broken.append(self)
            raise StreamLostError(
                "Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')"
            )
        confirm(self)

    monkeypatch.setattr(BlockingChannel, "confirm_delivery", broken_once)
    broker.enqueue(message(0, "default"))
    assert len(broken) == 1
    broker.close()
