"""dramatiq's RabbitmqBroker made safe: confirmed publishes, the delay ladder instead of `.DQ`,
and a consumer that never acks a delivery of another connection.

Leans on dramatiq's internals, so dramatiq is pinned and tests/contract fails when they change.
"""

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import Any

import dramatiq
import pika
import pika.exceptions
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer, _RabbitmqMessage
from dramatiq.errors import ConnectionClosed, DecodeError
from dramatiq.middleware import Middleware

from callboard.broker import frames
from callboard.broker.amqp import connection_parameters, is_missing, reason
from callboard.broker.topology import Binding, Declaration, Exchange, Queue, Topology, conflict_advice
from callboard.tasks.states import MAX_LEVEL, Priority

logger = logging.getLogger(__name__)

#: Times one enqueue is tried on fresh connections before the caller hears of it.
ATTEMPTS = 3
#: Milliseconds a message may be given to live, 49 days: RabbitMQ refuses more.
EXPIRATION_MOST_MS = 2**32 - 1

_AMQP_ERRORS = (pika.exceptions.AMQPConnectionError, pika.exceptions.AMQPChannelError)
#: What pika raises for a connection that breaks in the moment in which it is made.
_HALF_MADE = (AssertionError, ValueError)


class WorkerBroker(RabbitmqBroker):
    """The broker of worker processes and of Python code that calls `.send`."""

    def __init__(
        self,
        url: str,
        topology: Topology,
        middleware: list[Middleware],
        *,
        dead_ttl_s: float = 7 * 86_400,
    ) -> None:
        super().__init__(confirm_delivery=True, middleware=middleware, max_priority=MAX_LEVEL)
        self.parameters = connection_parameters(url)
        self.topology = topology
        #: Queues from which nothing is taken; their consumers give back what they hold and wait.
        self.held: frozenset[str] = frozenset()
        self._dead_ttl_ms = str(min(int(dead_ttl_s * 1000), EXPIRATION_MOST_MS))

    @property
    def consumer_class(self) -> type["SafeConsumer"]:
        """Return the consumer that knows its own deliveries."""
        return SafeConsumer

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Note a queue; with `ensure`, declare it (and the ladder) in RabbitMQ. No `.DQ` exists."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.queues_pending.add(queue_name)
            self.emit_after("declare_queue", queue_name)
        if ensure and queue_name in self.queues_pending:
            self._ensure_queue(queue_name)

    def _ensure_queue(self, queue_name: str) -> None:
        try:
            declare(self._open_channel(), self.topology.declarations([queue_name]))
        except _AMQP_ERRORS as error:
            self.rest()
            if getattr(error, "reply_code", None) == 406:
                logger.critical(conflict_advice(str(error)))
            raise self.outage(error) from None
        self.queues_pending.discard(queue_name)

    def _open_channel(self) -> Any:
        """Return this thread's channel; raises ConnectionClosed as well as pika's errors."""
        try:
            return self.channel
        except _HALF_MADE as error:
            raise self.outage(error) from None

    def outage(self, error: BaseException) -> ConnectionClosed:
        """Return what dramatiq understands, saying which RabbitMQ it is and what it said."""
        nodes = ", ".join(f"{each.host}:{each.port}" for each in self.parameters)
        return ConnectionClosed(f"RabbitMQ at {nodes}: {reason(error)}")

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Publish a message, now or after `delay` milliseconds, and wait for RabbitMQ's confirm.

        Raises dramatiq's ConnectionClosed when it could not be confirmed.
        """
        if "broker_priority" not in message.options:
            message = message.copy(options={"broker_priority": Priority.NORMAL.level})
        self.emit_before("enqueue", message, delay)
        self.declare_queue(message.queue_name)
        self._publish(
            message.queue_name,
            self.topology.route(message.queue_name, delay or 0),
            message.encode(),
            pika.BasicProperties(
                delivery_mode=2, priority=message.options["broker_priority"], message_id=message.message_id
            ),
        )
        self.emit_after("enqueue", message, delay)
        return message

    def rest(self) -> None:
        """Close this thread's connection: unused, it answers no heartbeats. The next publish makes one."""
        try:
            del self.connection
        except KeyError:  # its channel broke before dramatiq had noted it; that is forgotten now
            del self.connection

    def dead_letter(self, message: dramatiq.Message[Any]) -> None:
        """Publish a copy to the dead-letter queue, confirmed; raises ConnectionClosed."""
        self.bury(message.queue_name, message.encode(), message.message_id)

    def bury(self, queue_name: str, body: bytes, message_id: str | None = None) -> None:
        """Publish a body to a queue's dead letters, where it stays as long as a record would.

        Each needs a time: RabbitMQ only looks at the first of a queue, which must not keep all behind it.
        The time stands in the message, as a queue's arguments could never be changed again.
        """
        properties = pika.BasicProperties(
            delivery_mode=2, message_id=message_id, expiration=self._dead_ttl_ms
        )
        self._publish(queue_name, self.topology.dead_route(queue_name), body, properties)

    def _publish(
        self, queue_name: str, route: tuple[str, str], body: bytes, properties: pika.BasicProperties
    ) -> None:
        exchange, routing_key = route
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if queue_name in self.queues_pending:
                    self._ensure_queue(queue_name)
                self._open_channel().basic_publish(exchange, routing_key, body, properties, mandatory=True)
            except (*_AMQP_ERRORS, ConnectionClosed) as error:
                # Idle publishers miss heartbeats and are cut; a fresh connection usually does.
                self.rest()
                if isinstance(error, pika.exceptions.UnroutableError) or is_missing(error):
                    self.queues_pending.add(queue_name)
                # Under an alarm each attempt would wait as long again, and leave one more copy.
                if attempt == ATTEMPTS or isinstance(error, pika.exceptions.ConnectionBlockedTimeout):
                    raise (error if isinstance(error, ConnectionClosed) else self.outage(error)) from None
            else:
                return


def _tell_briefly(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a connection that broke before its last acks were sent."""
    if "suddenly restarted" in str(record.msg):
        record.exc_info = None
    return True


logging.getLogger("dramatiq.brokers.rabbitmq.SafeConsumer").addFilter(_tell_briefly)


def declare(channel: Any, declarations: list[Declaration]) -> None:
    """Declare on a blocking channel; repeating it changes nothing."""
    for each in declarations:
        match each:
            case Exchange(name):
                channel.exchange_declare(name, exchange_type="topic", durable=True)
            case Queue(name, arguments):
                channel.queue_declare(name, durable=True, arguments=arguments)
            case Binding(source, destination, routing_key, True):
                channel.exchange_bind(destination, source, routing_key)
            case Binding(source, destination, routing_key):
                channel.queue_bind(destination, source, routing_key)


class SafeConsumer(_RabbitmqConsumer):
    """A consumer whose messages remember it: delivery tags restart with every channel, so after a reconnect
    the ack of an old message would hit a new one (promises.md, trap 2). Acks are sent together, once per turn
    of pika's loop: flushing them one by one took 23 % of a busy worker's time (speed.md).
    """

    def __init__(self, broker: WorkerBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        physical = broker.topology.work_queue(queue_name)
        try:
            super().__init__(broker, physical, prefetch, timeout)  # type: ignore[no-untyped-call]
        except ConnectionClosed as error:
            raise broker.outage(error.message) from None
        except _HALF_MADE as error:
            raise broker.outage(error) from None
        self._family = queue_name
        self._timeout_s = timeout / 1000
        self._done: deque[int] = deque()
        self._lock = threading.Lock()
        self._draining = False
        self._resting = False
        self._unwanted: deque[int] = deque()

    def __next__(self) -> Any:
        """Return the next message, or None when the timeout passed without one."""
        if self._draining or self._unwanted or self._family in self.broker.held:
            return self._rest()
        try:
            if self._resting:
                self.iterator = self.channel.consume(self.queue_name, inactivity_timeout=self._timeout_s)
                self._resting = False
            method, properties, body = next(self.iterator)
        except StopIteration:
            self.broker.queues_pending.add(self._family)
            raise ConnectionClosed(f"the queue {self.queue_name} was deleted") from None
        except (AssertionError, *_AMQP_ERRORS) as error:
            if is_missing(error):
                self.broker.queues_pending.add(self._family)
            raise self.broker.outage(error) from None
        if method is None:
            return None
        try:
            decoded = dramatiq.Message.decode(body)
        except DecodeError:
            logger.error("dead-lettering an undecodable message of %d bytes", len(body))
            self.broker.bury(self._family, body, properties.message_id)
            self._ack_tag(method.delivery_tag)
            return None
        message: Any = _RabbitmqMessage(method.redelivered, method.delivery_tag, decoded)
        message.consumer = self
        self.known_tags.add(method.delivery_tag)
        return message

    def ack(self, message: Any) -> None:
        """Ack a message of this consumer; one of another connection is left to redelivery."""
        if message.consumer is not self:
            logger.warning("not acking %s: its connection is gone", message.message_id)
            return
        # RabbitMQ gives an abandoned one to somebody else when this connection closes; an unknown one was
        # acked when its hung task was given up, which returned after all.
        if getattr(message, "abandoned", False) or message._tag not in self.known_tags:
            return
        self.known_tags.discard(message._tag)
        self._ack_tag(message._tag)

    def _ack_tag(self, tag: int) -> None:
        with self._lock:
            self._done.append(tag)
            first = len(self._done) == 1
        if first:
            try:
                self.connection.add_callback_threadsafe(self._send_acks)
            except _AMQP_ERRORS:
                # RabbitMQ gives them out again, and the claim skips what has ended. dramatiq would let the
                # worker's thread try again in 5 s.
                logger.info("%d messages of a closed connection will come again", len(self._done))

    def nack(self, message: Any) -> None:
        """Move a message of this consumer to the dead-letter queue."""
        if message.consumer is self:
            self.broker.dead_letter(message._message)
            self.ack(message)

    def give_back(self, messages: list[Any]) -> None:
        """Let RabbitMQ have these messages again, in their old places, for whoever takes them."""
        for message in messages:
            if message.consumer is self and message._tag in self.known_tags:
                self.known_tags.remove(message._tag)
                self._unwanted.append(message._tag)

    def wake(self) -> None:
        """Let one that rests look at once whether it still shall."""
        with suppress(*_AMQP_ERRORS):  # a connection that is gone is made anew without this
            self.connection.add_callback_threadsafe(lambda: None)

    def drain(self, messages: list[Any]) -> None:
        """Take no more from RabbitMQ and give these messages back; what runs can still be acked."""
        self.give_back(messages)
        self._draining = True

    def _rest(self) -> None:
        """Take nothing, as nobody who wants no more may hold what others could do; acks go on."""
        try:
            if self.channel.consumer_tags:
                self.channel.cancel()
            self._resting = True
            raw: Any = self.channel._impl  # type: ignore[attr-defined]
            while self._unwanted:
                raw.basic_reject(delivery_tag=self._unwanted.popleft(), requeue=True)
            self.connection.process_data_events(self._timeout_s)
        except (AssertionError, *_AMQP_ERRORS) as error:
            raise self.broker.outage(error) from None

    def _send_acks(self) -> None:
        with self._lock:
            tags = list(self._done)
            self._done.clear()
        raw: Any = self.channel._impl  # type: ignore[attr-defined]
        if raw.is_open:  # else they come again
            data = b"".join(frames.ack(raw.channel_number, tag) for tag in tags)
            raw.connection._output_marshaled_frames([data])  # BlockingChannel would flush each one
