"""Publishes from the web process: one pika connection on the event loop, many confirms in flight.

Waiting for each confirm on a blocking connection gave 1,760 messages/s, this 9,990 (engine.md §1).
Every publish is persistent, mandatory and confirmed, or ends in Unavailable; none hangs.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable

import pika
import pika.exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from callboard.broker.amqp import connection_parameters, reason
from callboard.broker.link import Link
from callboard.broker.topology import Topology
from callboard.errors import Unavailable

logger = logging.getLogger(__name__)

#: Seconds between attempts to connect.
RECONNECT_S = 1.0
#: Seconds for which a connection is fresh.
FRESH_S = 600.0
#: Why connecting fails while RabbitMQ is away. Pika has no AMQPError for an unknown name, as of a container
#: that is stopped.
_USUAL = (OSError, pika.exceptions.AMQPError, AMQPConnectorException)


class Publisher:
    """Keeps one connection to RabbitMQ; use from one event loop."""

    def __init__(self, url: str, topology: Topology, queues: Iterable[str], confirm_timeout_s: float) -> None:
        self._parameters = connection_parameters(url)
        self._topology = topology
        self._queues = sorted(queues)
        self._confirm_timeout_s = confirm_timeout_s
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._problem = "RabbitMQ is not connected yet"
        self._learning = asyncio.Lock()

    def start(self) -> None:
        """Begin to connect in the background; publishing is refused until that has worked."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep_connected())

    def problem(self) -> str | None:
        """Return why nothing can be published now, or None."""
        if self._link is None:
            return self._problem
        return self._link.blocked or self._link.hung

    def blocked(self) -> str | None:
        """Return the alarm that RabbitMQ has told of, or None."""
        return None if self._link is None else self._link.blocked

    async def probe(self) -> None:
        """Publish the marker again, which changes nothing: only then RabbitMQ tells of an alarm."""
        if self._link is not None and self.problem() is None and not self._link.unmarked:
            await self._mark(self._link)

    async def publish(self, queue: str, body: bytes, level: int, message_id: str, delay_ms: int = 0) -> None:
        """Publish one message and wait for its confirm.

        Args:
            queue: the task queue's name.
            body: the encoded message.
            level: its priority, 0 to 2.
            message_id: the task id.
            delay_ms: milliseconds until it is delivered.

        Raises Unavailable when it was refused, or when its fate is unknown.
        """
        if self._link is None or self._link.blocked or self._link.hung:
            raise Unavailable(self.problem() or self._problem)
        if queue not in self._queues:
            await self._learn(self._link, queue)
        exchange, routing_key = self._topology.route(queue, delay_ms)
        await self._link.publish(exchange, routing_key, body, level, message_id, self._confirm_timeout_s)

    async def _learn(self, link: Link, queue: str) -> None:
        """Declare a queue that no task type of this release names: records of an earlier one still do.

        Its messages would come back, and every time the connection be made anew.
        """
        async with self._learning:
            if queue not in self._queues:
                await link.declare(self._topology.declarations([queue]), self._confirm_timeout_s)
                self._queues = sorted([*self._queues, queue])

    def fresh(self) -> bool:
        """Tell whether RabbitMQ has been connected for a short time only: it may have been restarted."""
        now = asyncio.get_running_loop().time()
        return self._link is not None and now - self._link.opened_at < FRESH_S

    def unmarked(self) -> Callable[[], Awaitable[None]] | None:
        """Return None, or, when RabbitMQ came without its data, what marks it once all is sent again."""
        link = self._link
        return (lambda: self._mark(link)) if link is not None and link.unmarked else None

    async def _mark(self, link: Link) -> None:
        marker = self._topology.marker.name
        await link.publish("", marker, b"present", 0, marker, self._confirm_timeout_s)
        link.unmarked = False

    async def close(self) -> None:
        """Close the connection; what is not confirmed by now counts as unknown."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._link is not None:
            self._link.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._link.closed.wait(), 2)

    async def _keep_connected(self) -> None:
        told = False
        for parameters in itertools.cycle(self._parameters):
            link = Link(parameters, self._topology.declarations(self._queues), self._topology.marker)
            try:
                await link.open()
            except Exception as error:  # a loop's edge: whatever kept it from connecting, it tries again
                link.close()
                self._problem = f"RabbitMQ at {parameters.host}:{parameters.port}: {reason(error)}"
                if not told:
                    if link.advice:
                        logger.critical(link.advice)
                    trace = None if isinstance(error, _USUAL) else error
                    logger.warning("%s; trying again every %g s", self._problem, RECONNECT_S, exc_info=trace)
                    told = True
            else:
                logger.info("connected to RabbitMQ at %s:%s", parameters.host, parameters.port)
                told = False
                self._link = link
                await link.closed.wait()
                self._link = None
                self._problem = f"RabbitMQ at {parameters.host}:{parameters.port}: {link.why}"
                logger.warning("%s; reconnecting", self._problem)
            await asyncio.sleep(RECONNECT_S)
