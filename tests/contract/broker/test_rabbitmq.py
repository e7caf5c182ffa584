"""What only RabbitMQ can get wrong: connections, delivery tags, and declarations that differ."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
import pika
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.errors import ConnectionClosed

from callboard.broker.rabbitmq import WorkerBroker, declare
from callboard.broker.topology import Exchange, Queue, Topology
from callboard.local.rabbitmq import RabbitNode
from tests.contract.broker.bench import LOW, Bench, RabbitBench, finish, forget, message, number, take
from tests.patience import PATIENCE_S, wait_until


@pytest.fixture
def bench(rabbit_bench: RabbitBench) -> Bench:
    """Only the real one."""
    return rabbit_bench


@pytest.fixture
def fresh(rabbitmq: RabbitNode, namespace: str) -> Iterator[Topology]:
    """A namespace in which nothing is declared yet."""
    made = Topology(namespace)
    yield made
    forget(rabbitmq, made)


@pytest.fixture
def raw(rabbitmq: RabbitNode) -> Iterator[Any]:
    """A channel that stands for another program."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        yield connection.channel()


def test_an_ack_for_a_closed_connection_does_not_take_another_message_along(bench: Bench) -> None:
    """Delivery tags restart with each connection: 1 of 7 was lost (promises.md, trap 2)."""
    bench.send(1)
    bench.send(2)
    broken, other = bench.consumer(), bench.consumer()
    (old,) = take(broken, 1)
    bench.close(broken)
    assert [number(each) for each in take(other, 1)] == [1]  # somebody else has the old one now

    fresh = bench.consumer()
    (new,) = take(fresh, 1)
    assert (new._tag, number(new)) == (old._tag, 2)
    fresh.ack(old)
    assert next(fresh) is None
    bench.close(fresh)  # as if the worker had died with it
    assert finish(bench.consumer(), 1) == [2]


def test_a_rejection_for_a_closed_connection_does_not_either(bench: Bench) -> None:
    bench.send(1)
    broken = bench.consumer()
    (old,) = take(broken, 1)
    bench.close(broken)
    fresh = bench.consumer()
    take(fresh, 1)
    fresh.nack(old)
    assert next(fresh) is None
    assert bench.dead() == []


def test_who_rests_keeps_no_connection_and_goes_on_with_a_new_one(bench: Bench) -> None:
    bench.broker.enqueue(message(1, bench.queue))
    assert len(bench.broker.connections) == 1
    bench.broker.rest()
    bench.broker.rest()
    assert len(bench.broker.connections) == 0
    bench.broker.enqueue(message(2, bench.queue))
    assert finish(bench.consumer(), 2) == [1, 2]


def test_acks_from_many_threads_all_arrive(bench: Bench) -> None:
    for each in range(400):
        bench.send(each)
    consumer = bench.consumer(prefetch=400)
    held = take(consumer, 400)

    def ack(part: list[MessageProxy]) -> None:
        for each in part:
            consumer.ack(each)

    threads = [threading.Thread(target=ack, args=(held[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    assert next(consumer) is None  # the acks are sent while the consumer waits
    for thread in threads:
        thread.join()
    assert next(consumer) is None
    bench.close(consumer)
    assert bench.ready() == 0


def test_acks_are_sent_before_the_consumer_closes(bench: Bench) -> None:
    for each in range(20):
        bench.send(each)
    consumer = bench.consumer(prefetch=20)
    for held in take(consumer, 20):
        consumer.ack(held)
    bench.close(consumer)
    assert bench.ready() == 0


def test_an_ack_on_a_broken_connection_does_not_hold_its_thread_and_the_message_comes_again(
    bench: Bench,
) -> None:
    """Dramatiq lets the thread sleep for 5 s after an error here, and then try in vain."""
    bench.send(1)
    consumer: Any = bench.consumer()
    (held,) = take(consumer, 1)
    consumer.connection.close()
    consumer.ack(held)
    assert finish(bench.consumer(), 1) == [1]


def test_messages_are_persistent(bench: Bench, topology: Topology, raw: Any) -> None:
    bench.send(1)
    bench.publish(2)
    bench.publish(3, delay_ms=100)
    bench.wait_ready(3)
    for _ in range(3):
        _, properties, _ = raw.basic_get(topology.work_queue(bench.queue), auto_ack=True)
        assert properties.delivery_mode == 2


def test_what_nobody_can_decode_is_dead_lettered_and_work_goes_on(
    bench: Bench, topology: Topology, raw: Any
) -> None:
    raw.confirm_delivery()
    raw.basic_publish("", topology.work_queue(bench.queue), b"\x00 no message")
    bench.send(1, LOW)  # behind it
    consumer = bench.consumer()
    assert finish(consumer, 1) == [1]
    bench.close(consumer)
    dead = topology.dead_queue(bench.queue)
    wait_until(lambda: raw.basic_get(dead)[2] == b"\x00 no message", what="a dead letter")


def test_a_queue_deleted_under_a_consumer_is_declared_again(
    bench: Bench, topology: Topology, raw: Any
) -> None:
    consumer = bench.consumer()
    assert next(consumer) is None
    raw.queue_delete(topology.work_queue(bench.queue))
    with pytest.raises(ConnectionClosed, match="deleted"):
        take(consumer, 1)
    again = bench.consumer()  # dramatiq's consumer thread does so after 3 s
    bench.publish(1)
    assert finish(again, 1) == [1]


def test_a_worker_declares_a_deleted_queue_again_when_it_sends(
    bench: Bench, topology: Topology, raw: Any
) -> None:
    bench.send(1)
    raw.queue_delete(topology.work_queue(bench.queue))
    bench.send(2)
    assert finish(bench.consumer(), 1) == [2]


def test_a_worker_declares_deleted_dead_letters_again(bench: Bench, topology: Topology, raw: Any) -> None:
    raw.queue_delete(topology.dead_queue(bench.queue))
    bench.broker.dead_letter(bench.message(1))
    assert bench.wait_dead(1) == [1]


def test_a_worker_declares_a_deleted_ladder_again(bench: Bench, topology: Topology, raw: Any) -> None:
    for each in topology.declarations([]):
        if isinstance(each, Exchange):
            raw.exchange_delete(each.name)
    bench.send(1, delay_ms=100)
    assert finish(bench.consumer(), 1) == [1]


def test_a_delayed_message_reaches_a_queue_that_was_deleted_and_declared_again(
    bench: Bench, topology: Topology, raw: Any
) -> None:
    """When it is due before the queue is back, RabbitMQ keeps it and tries again after three minutes."""
    bench.send(1, delay_ms=1_000)
    raw.queue_delete(topology.work_queue(bench.queue))
    declare(raw, topology.declarations([bench.queue]))
    assert finish(bench.consumer(), 1) == [1]


def test_declaring_everything_twice_is_harmless(raw: Any, fresh: Topology) -> None:
    for _ in range(2):
        declare(raw, fresh.declarations(["default"]))
    raw.confirm_delivery()
    raw.basic_publish("", fresh.work_queue("default"), b"x", mandatory=True)


def test_many_workers_may_declare_everything_at_the_same_time(rabbitmq: RabbitNode, fresh: Topology) -> None:
    failed: list[BaseException] = []

    def start_up() -> None:
        broker = WorkerBroker(rabbitmq.url, fresh, [])
        try:
            broker.declare_queue("default", ensure=True)
            broker.enqueue(dramatiq.Message("default", "any", (), {}, {}), delay=100)
        except Exception as error:  # noqa: BLE001 - handed to the test
            failed.append(error)
        finally:
            broker.close()

    threads = [threading.Thread(target=start_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failed == []


def test_a_queue_with_other_arguments_is_explained_to_the_operator(
    rabbitmq: RabbitNode, fresh: Topology, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (wanted,) = [
        each
        for each in fresh.declarations(["default"])
        if isinstance(each, Queue) and each.name == fresh.work_queue("default")
    ]
    raw.queue_declare(wanted.name, durable=True, arguments=wanted.arguments | {"x-max-priority": 9})
    broker = WorkerBroker(rabbitmq.url, fresh, [])
    with caplog.at_level(logging.CRITICAL, "callboard"), pytest.raises(ConnectionClosed):
        broker.consume("default")
    assert "CALLBOARD_NAMESPACE" in caplog.text
    assert f"inequivalent arg 'x-max-priority' for queue '{fresh.work_queue('default')}'" in caplog.text

    raw.queue_delete(fresh.work_queue("default"))  # what the advice says
    broker.consume("default").close()
    broker.close()


def test_a_worker_says_which_rabbitmq_it_cannot_reach(caplog: pytest.LogCaptureFixture) -> None:
    broker = WorkerBroker("amqp://user:secret@127.0.0.1:9/vhost", Topology("none"), [])
    with pytest.raises(ConnectionClosed, match=r"127\.0\.0\.1:9.*refused") as caught:
        broker.consume("default")
    assert "secret" not in str(caught.value)


def test_quorum_queues_work_as_well(rabbitmq: RabbitNode, namespace: str) -> None:
    quorum = Topology(namespace, "quorum")
    broker = WorkerBroker(rabbitmq.url, quorum, [])
    try:
        sent = message(1, "default")
        broker.enqueue(sent)
        broker.enqueue(sent, delay=100)
        broker.dead_letter(sent)
        consumer = broker.consume("default", 1, 100)
        assert finish(consumer, 2) == [1, 1]
        consumer.close()
    finally:
        broker.close()
        forget(rabbitmq, quorum)


def test_namespaces_do_not_meet(rabbitmq: RabbitNode, fresh: Topology, bench: Bench) -> None:
    broker = WorkerBroker(rabbitmq.url, fresh, [])
    broker.enqueue(dramatiq.Message("default", "any", (), {"n": 1}, {}), delay=100)
    consumer = broker.consume("default", 1, 100)
    assert finish(consumer, 1) == [1]
    consumer.close()
    broker.close()
    assert bench.ready() == 0
    assert not {each.name for each in fresh.declarations(["default"]) if isinstance(each, Queue)} & {
        each.name for each in Topology("").declarations(["default"]) if isinstance(each, Queue)
    }
