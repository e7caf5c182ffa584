"""What every broker does, whichever it is: order, prefetch, delays, and nothing lost."""

import time
from collections.abc import Callable

import pytest

from callboard.errors import Unavailable
from tests.contract.broker.bench import HIGH, LOW, NORMAL, Bench, RabbitBench, finish, number, take

Sender = Callable[..., None]


@pytest.fixture(params=["worker", "web"])
def send(request: pytest.FixtureRequest, bench: Bench) -> Sender:
    """One of the two ways in: the worker's `enqueue` or the web process's publisher."""
    return bench.send if request.param == "worker" else bench.publish


def test_what_is_published_is_consumed_as_it_was(bench: Bench, send: Sender) -> None:
    send(7, HIGH)
    (found,) = take(bench.consumer(), 1)
    assert (found.queue_name, found.actor_name, found.kwargs) == (bench.queue, "any", {"n": 7})
    assert found.options["broker_priority"] == HIGH


def test_the_message_keeps_its_id_and_time(bench: Bench) -> None:
    sent = bench.message(1)
    bench.broker.enqueue(sent)
    (found,) = take(bench.consumer(), 1)
    assert (found.message_id, found.message_timestamp) == (sent.message_id, sent.message_timestamp)


def test_a_message_without_a_priority_is_a_normal_one(bench: Bench) -> None:
    for number_, level in ((1, LOW), (2, None), (3, HIGH)):
        bench.send(number_, level)
    assert finish(bench.consumer(), 3) == [3, 2, 1]


def test_an_acked_message_does_not_come_back(bench: Bench) -> None:
    bench.send(1)
    first = bench.consumer()
    finish(first, 1)
    bench.close(first)
    bench.send(2)
    assert finish(bench.consumer(), 1) == [2]


def test_within_a_backlog_the_higher_priority_comes_first(bench: Bench, send: Sender) -> None:
    for number_, level in enumerate((LOW, NORMAL, HIGH, LOW, NORMAL, HIGH)):
        send(number_, level)
    assert finish(bench.consumer(), 6) == [2, 5, 1, 4, 0, 3]


def test_within_one_priority_the_first_comes_first(bench: Bench, send: Sender) -> None:
    for number_ in range(50):
        send(number_)
    assert finish(bench.consumer(prefetch=8), 50) == list(range(50))


def test_a_consumer_holds_no_more_than_its_prefetch(bench: Bench) -> None:
    for number_ in range(5):
        bench.send(number_)
    consumer = bench.consumer(prefetch=2)
    held = take(consumer, 2)
    assert next(consumer) is None
    assert bench.ready() == 3

    consumer.ack(held[0])
    assert [number(each) for each in take(consumer, 1)] == [2]
    assert next(consumer) is None


def test_two_consumers_share_a_queue(bench: Bench) -> None:
    for number_ in range(4):
        bench.send(number_)
    one, other = bench.consumer(prefetch=2), bench.consumer(prefetch=2)
    found = [number(each) for consumer in (one, other) for each in take(consumer, 2)]
    assert sorted(found) == [0, 1, 2, 3]


def test_a_delayed_message_comes_and_not_early(bench: Bench, send: Sender) -> None:
    before = time.monotonic()
    send(1, delay_ms=450)
    consumer = bench.consumer()
    assert next(consumer) is None
    assert finish(consumer, 1) == [1]
    assert time.monotonic() - before >= 0.45


def test_a_delay_of_nothing_is_no_delay(bench: Bench, send: Sender) -> None:
    send(1, delay_ms=0)
    assert bench.ready() == 1


def test_a_delayed_message_keeps_its_priority(bench: Bench, send: Sender) -> None:
    bench.send(1, NORMAL)
    send(2, HIGH, delay_ms=150)
    send(3, LOW, delay_ms=100)
    bench.wait_ready(3)
    assert finish(bench.consumer(), 3) == [2, 1, 3]


def test_delayed_messages_come_in_the_order_they_are_due(bench: Bench) -> None:
    for number_, delay_ms in ((3, 900), (1, 300), (2, 600)):
        bench.send(number_, delay_ms=delay_ms)
    assert finish(bench.consumer(), 3) == [1, 2, 3]


def test_a_near_delay_is_not_held_up_by_9000_far_ones(bench: Bench) -> None:
    """With dramatiq's own delays it waits for an hour behind them (promises.md)."""
    bench.publish_far(9_000)
    bench.publish(1, delay_ms=2_000)
    assert finish(bench.consumer(), 1) == [1]


def test_unfinished_messages_come_back_when_the_consumer_closes(bench: Bench) -> None:
    for number_ in range(3):
        bench.send(number_)
    first = bench.consumer(prefetch=3)
    held = take(first, 3)
    first.ack(held[1])
    bench.close(first)
    assert finish(bench.consumer(), 2) == [0, 2]


def test_a_message_that_comes_back_keeps_its_place(bench: Bench) -> None:
    for number_, level in ((1, HIGH), (2, LOW), (3, HIGH)):
        bench.send(number_, level)
    first = bench.consumer()
    take(first, 1)
    bench.close(first)
    assert finish(bench.consumer(), 3) == [1, 3, 2]


def test_an_abandoned_message_comes_back_although_it_is_acked(bench: Bench) -> None:
    """A stopping worker marks what it could not record; dramatiq acks it all the same."""
    bench.send(1)
    first = bench.consumer()
    (held,) = take(first, 1)
    held.abandoned = True  # type: ignore[attr-defined]
    first.ack(held)
    assert next(first) is None
    bench.close(first)
    assert finish(bench.consumer(), 1) == [1]


def test_an_ack_after_the_consumer_closed_changes_nothing(bench: Bench) -> None:
    bench.send(1)
    first = bench.consumer()
    (held,) = take(first, 1)
    bench.close(first)
    second = bench.consumer()
    take(second, 1)
    second.ack(held)  # what dramatiq does: the thread's new consumer acks the old one's message
    bench.close(second)
    assert finish(bench.consumer(), 1) == [1]


def test_a_second_ack_changes_nothing(bench: Bench) -> None:
    """A hung task is acked when it is given up, and again if it ever returns."""
    for number_ in range(3):
        bench.send(number_)
    consumer = bench.consumer(prefetch=2)
    one, other = take(consumer, 2)
    consumer.ack(one)
    consumer.ack(one)
    (third,) = take(consumer, 1)
    consumer.ack(one)
    assert next(consumer) is None
    consumer.ack(other)
    consumer.ack(third)
    bench.close(consumer)
    assert bench.ready() == 0


def test_a_dead_letter_is_a_copy(bench: Bench) -> None:
    bench.send(1)
    consumer = bench.consumer()
    (held,) = take(consumer, 1)
    bench.broker.dead_letter(held._message)
    consumer.ack(held)
    assert bench.wait_dead(1) == [1]
    assert bench.ready() == 0


def test_a_rejected_message_is_kept_among_the_dead_letters(bench: Bench) -> None:
    bench.send(1)
    bench.send(2)
    consumer = bench.consumer()
    (held,) = take(consumer, 1)
    consumer.nack(held)
    assert finish(consumer, 1) == [2]
    assert bench.wait_dead(1) == [1]


def test_declaring_a_queue_again_keeps_what_it_holds(bench: Bench) -> None:
    bench.send(1)
    bench.broker.declare_queue(bench.queue, ensure=True)
    assert finish(bench.consumer(), 1) == [1]


def test_the_web_process_declares_a_queue_it_does_not_know_or_is_told(bench: Bench) -> None:
    known = bench.queue
    bench.queue += "-unknown"
    if isinstance(bench, RabbitBench):
        bench.publish(1)
        assert finish(bench.consumer(), 1) == [1]
    else:  # it has the queues of its task types, for good
        with pytest.raises(Unavailable, match="queue"):
            bench.publish(1)
    bench.queue = known
    bench.publish(2)  # nobody else is harmed
    assert finish(bench.consumer(), 1) == [2]


def test_a_worker_makes_the_queue_that_it_sends_to(bench: Bench) -> None:
    bench.queue += "-unknown"
    bench.send(1)
    assert finish(bench.consumer(), 1) == [1]


def test_a_worker_makes_the_queue_that_it_consumes_from(bench: Bench) -> None:
    bench.queue += "-unknown"
    consumer = bench.consumer()
    bench.publish(1)
    assert finish(consumer, 1) == [1]


def test_a_held_queue_gives_out_nothing_and_takes_all_that_comes(bench: Bench) -> None:
    consumer = bench.consumer(prefetch=4)
    bench.send(1)
    (running,) = take(consumer, 1)
    bench.broker.held = frozenset({bench.queue})
    bench.send(2)
    bench.send(3, HIGH)
    assert [next(consumer) for _ in range(3)] == [None] * 3
    assert bench.ready() == 2
    consumer.ack(running)
    bench.broker.held = frozenset()
    assert finish(consumer, 2) == [3, 2]
    assert bench.ready() == 0


def test_a_queue_held_from_the_start_gives_out_nothing(bench: Bench) -> None:
    bench.send(1)
    bench.broker.held = frozenset({bench.queue})
    consumer = bench.consumer(prefetch=4)
    assert [next(consumer) for _ in range(2)] == [None] * 2
    assert bench.ready() == 1
    bench.broker.held = frozenset()
    assert finish(consumer, 1) == [1]


def test_messages_that_are_given_back_go_to_others_in_their_old_order(bench: Bench) -> None:
    for number_ in range(4):
        bench.send(number_)
    consumer = bench.consumer(prefetch=3)
    taken = take(consumer, 3)
    bench.broker.held = frozenset({bench.queue})
    consumer.give_back(taken[1:])  # type: ignore[attr-defined]
    assert next(consumer) is None
    bench.wait_ready(3)
    consumer.ack(taken[1])
    assert bench.ready() == 3, "what was given back is not this consumer's any more"
    consumer.ack(taken[0])
    bench.broker.held = frozenset()
    assert finish(bench.consumer(prefetch=3), 3) == [1, 2, 3]


def test_other_queues_are_not_held(bench: Bench) -> None:
    bench.broker.held = frozenset({"another"})
    bench.send(1)
    assert finish(bench.consumer(), 1) == [1]
    bench.broker.held = frozenset()
