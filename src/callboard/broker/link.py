"""One connection of the web process to RabbitMQ; publisher.py keeps one open."""

import asyncio
import contextlib
import logging
from typing import Any

import pika
import pika.exceptions
from pika.adapters.asyncio_connection import AsyncioConnection

from callboard.broker import frames
from callboard.broker.amqp import reason
from callboard.broker.topology import Binding, Declaration, Exchange, Queue, conflict_advice
from callboard.errors import Unavailable

logger = logging.getLogger(__name__)

#: How often unconfirmed messages are looked through for late ones, seconds.
SWEEP_S = 0.25
#: Looks in a row at which nothing had come from RabbitMQ, though it owed confirms, until it counts as hung.
#: They are counted, not timed: an event loop that was busy itself has heard nothing either.
QUIET_LOOKS = 8


class Link:
    """One connection with one channel in confirm mode, from open to closed."""

    def __init__(
        self, parameters: pika.URLParameters, declarations: list[Declaration], marker: Queue
    ) -> None:
        self._parameters = parameters
        self._declarations = declarations
        self._marker = marker
        self._loop = asyncio.get_running_loop()
        self._connection: Any = None
        self._channel: Any = None
        self._tag = 0
        self._lowest = 1
        self._pending: dict[int, tuple[asyncio.Future[None], float, str]] = {}
        self._returned: set[str] = set()
        #: Frames of this tick, written in one go.
        self._unsent: list[bytes] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self.opened_at = self._loop.time()
        self.closed = asyncio.Event()
        self.blocked: str | None = None
        #: It owes confirms and says nothing: nobody else is made to wait for it, until it speaks.
        self.hung: str | None = None
        self._quiet = 0
        self._heard = 0
        #: The marker's message is not there: RabbitMQ is new, or has lost its data.
        self.unmarked = False
        self.why = "the connection was closed"
        #: What to do when RabbitMQ refuses our declarations.
        self.advice: str | None = None

    async def open(self) -> None:
        """Connect, declare the topology and turn confirms on; raises what pika or the OS said."""
        async with asyncio.timeout(15):
            opened: asyncio.Future[Any] = self._loop.create_future()
            self._connection = AsyncioConnection(
                self._parameters,
                on_open_callback=lambda connection: _settle(opened, connection),
                on_open_error_callback=lambda _, error: _settle(opened, error),
                on_close_callback=self._on_closed,
                custom_ioloop=self._loop,
            )
            await opened
            self._connection.add_on_connection_blocked_callback(self._on_blocked)
            self._connection.add_on_connection_unblocked_callback(self._on_unblocked)
            channel: asyncio.Future[Any] = self._loop.create_future()
            self._connection.channel(on_open_callback=lambda found: _settle(channel, found))
            self._channel = await channel
            failed: asyncio.Future[Any] = self._loop.create_future()
            self._channel.add_on_close_callback(lambda _, error: self._on_channel_closed(failed, error))
            work = asyncio.ensure_future(self._prepare())
            await asyncio.wait([work, failed], return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                work.cancel()
                raise failed.exception() or OSError("RabbitMQ closed the channel")
            failed.cancel()
            await work
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    async def declare(self, declarations: list[Declaration], timeout_s: float) -> None:
        """Declare what was not declared before; raises Unavailable."""
        new = [each for each in declarations if each not in self._declarations]
        try:
            async with asyncio.timeout(timeout_s):
                await self._declare(new)
        except (TimeoutError, pika.exceptions.AMQPError) as error:
            raise Unavailable(f"RabbitMQ: {self.why if self.closed.is_set() else reason(error)}") from error
        self._declarations = [*self._declarations, *new]

    async def _prepare(self) -> None:
        await self._declare(self._declarations)
        confirmed: asyncio.Future[Any] = self._loop.create_future()
        self._channel.confirm_delivery(self._on_confirm, callback=lambda frame: _settle(confirmed, frame))
        await confirmed
        self._channel.add_on_return_callback(self._on_return)

    async def _declare(self, declarations: list[Declaration]) -> None:
        for each in declarations:
            done: asyncio.Future[Any] = self._loop.create_future()

            def ok(frame: Any, done: asyncio.Future[Any] = done) -> None:
                _settle(done, frame)

            match each:
                case Exchange(name):
                    self._channel.exchange_declare(name, "topic", durable=True, callback=ok)
                case Queue(name, arguments):
                    self._channel.queue_declare(name, durable=True, arguments=arguments, callback=ok)
                case Binding(source, destination, key, True):
                    self._channel.exchange_bind(destination, source, key, callback=ok)
                case Binding(source, destination, key):
                    self._channel.queue_bind(destination, source, key, callback=ok)
            frame = await done
            if each == self._marker:
                self.unmarked = frame.method.message_count == 0

    def publish(
        self, exchange: str, routing_key: str, body: bytes, level: int, message_id: str, timeout_s: float
    ) -> "asyncio.Future[None]":
        """Send one message; the future ends with its confirm or with Unavailable."""
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._channel.is_open:
            future.set_exception(Unavailable(f"RabbitMQ: {self.why}"))
            return future
        if not self._unsent:
            self._loop.call_soon(self._write)
        self._unsent.append(
            frames.publish(
                self._channel.channel_number, exchange, routing_key, body, level, message_id,
                self._connection._body_max_length,
            )
        )  # fmt: skip
        self._tag += 1
        self._pending[self._tag] = (future, self._loop.time() + timeout_s, message_id)
        return future

    def _write(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if self._channel.is_open:
            self._connection._output_marshaled_frames([data])

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        tag: int = method.delivery_tag
        tags = range(self._lowest, tag + 1) if method.multiple else (tag,)
        for each in tags:
            entry = self._pending.pop(each, None)
            if entry is None or entry[0].done():
                continue
            if method.NAME == "Basic.Nack":
                entry[0].set_exception(Unavailable("RabbitMQ refused the message"))
            elif self._returned and entry[2] in self._returned:
                self._returned.discard(entry[2])
                entry[0].set_exception(Unavailable("RabbitMQ has lost the queue; declaring it again"))
                self.close()
            else:
                entry[0].set_result(None)
        if method.multiple:
            self._lowest = tag + 1

    def _on_return(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        self._returned.add(properties.message_id)

    def _sweep(self) -> None:
        self._listen()
        now = self._loop.time()
        for tag, (future, deadline, _) in list(self._pending.items()):
            if deadline > now:
                break  # they were sent in this order
            del self._pending[tag]
            if not future.done():
                future.set_exception(Unavailable("RabbitMQ did not confirm the message in time"))
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _listen(self) -> None:
        """Notice that RabbitMQ hangs, long before a heartbeat is missed, and that it speaks again."""
        heard: int = self._connection.bytes_received
        if heard != self._heard:
            self._heard, self._quiet = heard, 0
            if self.hung:
                self.hung = None
                logger.info("RabbitMQ speaks again")
        elif not self._pending:
            self._quiet = 0
        elif not self.hung:
            self._quiet += 1
            if self._quiet == QUIET_LOOKS:
                self.hung = f"RabbitMQ owes confirms and has said nothing for {QUIET_LOOKS * SWEEP_S:g} s"
                logger.warning(self.hung)

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self.blocked = f"RabbitMQ accepts no messages now ({frame.method.reason}); see its alarms"
        logger.warning(self.blocked)
        self._fail_pending(self.blocked)

    def _on_unblocked(self, _connection: Any, _frame: Any) -> None:
        self.blocked = None
        logger.info("RabbitMQ accepts messages again")

    def _on_channel_closed(self, failed: "asyncio.Future[Any]", error: Any) -> None:
        if getattr(error, "reply_code", None) == 406:
            self.advice = conflict_advice(error.reply_text)
        _settle(failed, error)
        self.why = reason(error)
        self.close()

    def _on_closed(self, _connection: Any, error: BaseException) -> None:
        self.why = reason(error)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._fail_pending("RabbitMQ's connection broke before the message was confirmed")
        self.closed.set()

    def _fail_pending(self, why: str) -> None:
        for future, _, _ in self._pending.values():
            if not future.done():
                future.set_exception(Unavailable(why))
        self._pending.clear()

    def close(self) -> None:
        """Begin to close."""
        if self._connection is None or self._connection.is_closed:
            self.closed.set()
        elif not self._connection.is_closing:
            with contextlib.suppress(pika.exceptions.AMQPError):
                self._connection.close()


def _settle(future: "asyncio.Future[Any]", outcome: Any) -> None:
    if not future.done():
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
