"""The web process's publisher: every publish ends, confirmed or in Unavailable, whatever RabbitMQ does."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from callboard.broker.publisher import Publisher
from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Exchange, Queue, Topology
from callboard.errors import Unavailable
from callboard.local.rabbitmq import RabbitNode
from tests.contract.broker.bench import (
    Bench,
    Loop,
    RabbitBench,
    finish,
    forget,
    message,
    publishing,
    take,
)
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


async def _publish(publisher: Publisher, number: int = 1, delay_ms: int = 0) -> None:
    made = message(number, "default")
    await publisher.publish("default", made.encode(), 1, made.message_id, delay_ms)


def test_500_at_the_same_time_are_all_confirmed_and_there_once(bench: Bench) -> None:
    bench.publish_many(range(500))
    assert bench.ready() == 500
    assert finish(bench.consumer(prefetch=100), 500) == list(range(500))


def test_bodies_of_any_size_arrive_whole(bench: Bench) -> None:
    """RabbitMQ's frames have 128 KiB; a task's parameters may have 1 MiB."""
    for size in (0, 1, 131_064, 131_065, 1_048_576):
        made = bench.message(size).copy(kwargs={"n": size, "text": "é" * (size // 2)})
        bench.loop.run(bench.publisher.publish(bench.queue, made.encode(), 1, made.message_id))
        consumer = bench.consumer()
        (found,) = take(consumer, 1)
        assert found.kwargs == made.kwargs
        consumer.ack(found)
        bench.close(consumer)


def test_big_and_small_ones_at_the_same_time_do_not_mix(bench: Bench) -> None:
    made = [
        bench.message(n).copy(kwargs={"n": n, "text": str(n % 10) * (300_000 if n % 7 == 0 else 10)})
        for n in range(40)
    ]

    async def all_at_once() -> None:
        await asyncio.gather(
            *(bench.publisher.publish(bench.queue, each.encode(), 1, each.message_id) for each in made)
        )

    bench.loop.run(all_at_once())
    found = take(bench.consumer(prefetch=40), 40)
    assert [each.kwargs for each in found] == [each.kwargs for each in made]


def test_before_it_is_connected_publishing_is_refused_at_once(loop: Loop, rabbitmq: RabbitNode) -> None:
    publisher = Publisher(rabbitmq.url, Topology("none"), ["default"], PATIENCE_S)
    with pytest.raises(Unavailable, match="not connected"):
        loop.run(_publish(publisher))


def test_a_publisher_without_rabbitmq_says_why(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher("amqp://user:secret@127.0.0.1:9/vhost", Topology("none"), ["default"], PATIENCE_S)
    loop.call(publisher.start)
    try:
        wait_until(lambda: "refused" in (publisher.problem() or ""), what="it says why")
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9.*refused"):
            loop.run(_publish(publisher))
    finally:
        loop.run(publisher.close())
    assert "secret" not in caplog.text


def test_a_name_that_nobody_knows_does_not_end_the_attempts(
    loop: Loop, rabbitmq: RabbitNode, fresh: Topology
) -> None:
    """A container that is stopped has none; once it is back, it must be found again."""
    unknown = "amqp://user:secret@rabbitmq.invalid:5672/vhost"
    publisher = Publisher(f"{unknown};{rabbitmq.url}", fresh, ["default"], PATIENCE_S)
    with publishing(loop, publisher):
        loop.run(_publish(publisher))


def test_closing_lets_nobody_wait_for_a_confirm(loop: Loop, rabbitmq: RabbitNode, fresh: Topology) -> None:
    publisher = Publisher(rabbitmq.url, fresh, ["default"], PATIENCE_S)

    async def close_meanwhile() -> list[BaseException | None]:
        waiting = [asyncio.ensure_future(_publish(publisher, n)) for n in range(50)]
        await publisher.close()
        return await asyncio.gather(*waiting, return_exceptions=True)

    with publishing(loop, publisher):
        outcomes = loop.run(close_meanwhile())
    assert all(each is None or isinstance(each, Unavailable) for each in outcomes)


def test_a_queue_deleted_meanwhile_is_declared_again(
    loop: Loop, rabbitmq: RabbitNode, fresh: Topology, raw: Any
) -> None:
    publisher = Publisher(rabbitmq.url, fresh, ["default"], PATIENCE_S)
    with publishing(loop, publisher):
        raw.queue_delete(fresh.work_queue("default"))
        with pytest.raises(Unavailable, match="queue"):
            loop.run(_publish(publisher))
        _publish_at_last(loop, publisher)


def test_a_ladder_deleted_meanwhile_is_declared_again(
    loop: Loop, rabbitmq: RabbitNode, fresh: Topology, raw: Any
) -> None:
    publisher = Publisher(rabbitmq.url, fresh, ["default"], PATIENCE_S)
    with publishing(loop, publisher):
        for each in fresh.declarations([]):
            if isinstance(each, Exchange):
                raw.exchange_delete(each.name)
        with pytest.raises(Unavailable):
            loop.run(_publish(publisher, delay_ms=100))
        _publish_at_last(loop, publisher, delay_ms=100)


def test_one_message_for_a_lost_queue_does_not_confirm_another(
    loop: Loop, rabbitmq: RabbitNode, fresh: Topology, raw: Any
) -> None:
    publisher = Publisher(rabbitmq.url, fresh, ["default", "other"], 5.0)

    async def both() -> list[BaseException | None]:
        made = [message(n, queue) for n, queue in enumerate(["default", "other"] * 20)]
        return await asyncio.gather(
            *(publisher.publish(each.queue_name, each.encode(), 1, each.message_id) for each in made),
            return_exceptions=True,
        )

    with publishing(loop, publisher):
        raw.queue_delete(fresh.work_queue("default"))
        outcomes = loop.run(both())
        assert all(isinstance(each, Unavailable) for each in outcomes[::2])
        confirmed = sum(each is None for each in outcomes[1::2])
        there = raw.queue_declare(fresh.work_queue("other"), passive=True).method.message_count
        assert confirmed <= there <= 20
    raw.queue_delete(fresh.work_queue("other"))
    raw.queue_delete(fresh.dead_queue("other"))


def test_a_queue_with_other_arguments_is_explained_and_waited_for(
    loop: Loop, rabbitmq: RabbitNode, fresh: Topology, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (wanted,) = [
        each
        for each in fresh.declarations(["default"])
        if isinstance(each, Queue) and each.name == fresh.work_queue("default")
    ]
    raw.queue_declare(wanted.name, durable=True, arguments=wanted.arguments | {"x-max-priority": 9})
    publisher = Publisher(rabbitmq.url, fresh, ["default"], PATIENCE_S)
    with caplog.at_level(logging.WARNING, "callboard"):
        loop.call(publisher.start)
        try:
            wait_until(lambda: "CALLBOARD_NAMESPACE" in caplog.text, what="the advice")
            wait_until(lambda: "x-max-priority" in (publisher.problem() or ""), what="the reason")
            raw.queue_delete(wanted.name)  # what the advice says
            _publish_at_last(loop, publisher)
        finally:
            loop.run(publisher.close())


def test_a_worker_reads_what_the_publisher_wrote(loop: Loop, rabbitmq: RabbitNode, fresh: Topology) -> None:
    broker = WorkerBroker(rabbitmq.url, fresh, [])
    with publishing(loop, Publisher(rabbitmq.url, fresh, ["default"], PATIENCE_S)) as publisher:
        made = message(1, "default", 2, attempt=1, tags=["é"])
        loop.run(publisher.publish("default", made.encode(), 2, made.message_id))
    consumer = broker.consume("default", 1, 100)
    (found,) = take(consumer, 1)
    assert found._message == made
    consumer.close()
    broker.close()


def _publish_at_last(loop: Loop, publisher: Publisher, delay_ms: int = 0) -> None:
    def published() -> bool:
        try:
            loop.run(_publish(publisher, delay_ms=delay_ms))
        except Unavailable:
            return False
        return True

    wait_until(published, what="a message can be published")


def test_a_queue_of_an_earlier_release_is_declared_when_a_message_needs_it(
    rabbitmq: RabbitNode, loop: Loop, fresh: Topology, raw: Any
) -> None:
    """Its message came back each time, and the connection of all was made anew."""
    publisher = Publisher(rabbitmq.url, fresh, ["default"], confirm_timeout_s=PATIENCE_S)
    old = [message(number, "older") for number in range(5)]

    async def publish() -> list[BaseException | None]:
        return await asyncio.gather(
            *(publisher.publish("older", each.encode(), 1, each.message_id) for each in old),
            _publish(publisher, 9),
            return_exceptions=True,
        )

    with publishing(loop, publisher):
        assert loop.run(publish()) == [None] * 6
    count = raw.queue_declare(fresh.work_queue("older"), passive=True).method.message_count
    raw.queue_delete(fresh.work_queue("older"))
    raw.queue_delete(fresh.dead_queue("older"))
    assert count == 5
