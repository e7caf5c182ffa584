"""The broker of embedded mode (`memory://`): dramatiq's StubBroker with priorities and delays.

Behaves as the RabbitMQ one does (one conformance suite runs on both); nothing survives the process.
"""

import heapq
import itertools
import queue
import threading
import time
from collections import defaultdict, deque
from typing import Any

import dramatiq
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import QueueNotFound
from dramatiq.middleware import Middleware

from callboard.tasks.states import Priority

#: Dead letters kept per queue.
DEAD_KEPT = 1_000

_Entry = tuple[int, int, bytes]


class EmbeddedBroker(StubBroker):
    """Queues of this process, highest priority first."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware)
        #: Queues from which nothing is taken.
        self.held: frozenset[str] = frozenset()
        self.dead: defaultdict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=DEAD_KEPT))
        self._count = itertools.count()
        self._timer = _Timer(self._deliver)

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Make a queue unless it exists."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = queue.PriorityQueue()
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Put a message into its queue, now or after `delay` milliseconds."""
        if "broker_priority" not in message.options:
            message = message.copy(options={"broker_priority": Priority.NORMAL.level})
        self.declare_queue(message.queue_name)
        self.emit_before("enqueue", message, delay)
        self.publish(message.queue_name, message.encode(), message.options["broker_priority"], delay or 0)
        self.emit_after("enqueue", message, delay)
        return message

    def publish(self, queue_name: str, body: bytes, level: int, delay_ms: int) -> None:
        """Put an encoded message into a queue; safe from any thread, never blocks.

        Raises dramatiq's QueueNotFound.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        entry = (-level, next(self._count), body)
        if delay_ms > 0:
            self._timer.add(time.monotonic() + delay_ms / 1000, queue_name, entry)
        else:
            self._deliver(queue_name, entry)

    def _deliver(self, queue_name: str, entry: _Entry) -> None:
        self.queues[queue_name].put(entry)

    def dead_letter(self, message: dramatiq.Message[Any]) -> None:
        """Keep a copy among the queue's dead letters."""
        self.dead[message.queue_name].append(message.encode())

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 100) -> Consumer:
        """Return a consumer that holds at most `prefetch` unfinished messages; `timeout` in ms."""
        self.declare_queue(queue_name)
        return _EmbeddedConsumer(self, queue_name, prefetch, timeout)

    def depth(self, queue_name: str) -> tuple[int, int, int]:
        """Return how many messages are ready, delayed and dead."""
        return self.queues[queue_name].qsize(), self._timer.waiting(queue_name), len(self.dead[queue_name])

    def rest(self) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Stop the timer."""
        self._timer.stop()


class _EmbeddedConsumer(Consumer):
    def __init__(self, broker: EmbeddedBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        self._broker = broker
        self._queue: queue.PriorityQueue[_Entry] = broker.queues[queue_name]
        self._queue_name = queue_name
        self._timeout_s = timeout / 1000
        self._slots = threading.Semaphore(prefetch)
        self._held: dict[int, _Entry] = {}
        self._draining = threading.Event()

    def __next__(self) -> MessageProxy | None:
        if self._draining.is_set() or self._queue_name in self._broker.held:
            time.sleep(self._timeout_s)
            return None
        if not self._slots.acquire(timeout=self._timeout_s):
            return None
        try:
            entry = self._queue.get(timeout=self._timeout_s)
        except queue.Empty:
            self._slots.release()
            return None
        message = _EmbeddedMessage(dramatiq.Message.decode(entry[2]), entry[1], self)
        self._held[entry[1]] = entry
        return message

    def ack(self, message: MessageProxy) -> None:
        """Finish a message; an abandoned one stays held until the consumer closes.

        A message of another consumer was put back when that one closed.
        """
        assert isinstance(message, _EmbeddedMessage)  # noqa: S101 - only ours come here
        if message.abandoned or message.consumer is not self:
            return
        if self._held.pop(message.number, None) is not None:
            self._slots.release()

    def nack(self, message: MessageProxy) -> None:
        """Finish a message and keep a copy among the dead letters."""
        assert isinstance(message, _EmbeddedMessage)  # noqa: S101
        if message.consumer is not self:
            return
        if (entry := self._held.pop(message.number, None)) is not None:
            self._broker.dead[self._queue_name].append(entry[2])
            self._slots.release()

    def give_back(self, messages: list[Any]) -> None:
        """Put these messages back into their old places."""
        for message in messages:
            if message.consumer is self and (entry := self._held.pop(message.number, None)) is not None:
                self._queue.put(entry)
                self._slots.release()

    def wake(self) -> None:
        """Do nothing: it never rests for long."""

    def drain(self, messages: list[Any]) -> None:
        """Take no more from the queue and put these messages back."""
        self._draining.set()
        self.give_back(messages)

    def close(self) -> None:
        """Put what is unfinished back, as RabbitMQ does when a connection closes."""
        for entry in list(self._held.values()):
            self._queue.put(entry)
        self._held.clear()


class _EmbeddedMessage(MessageProxy):
    def __init__(self, message: dramatiq.Message[Any], number: int, consumer: _EmbeddedConsumer) -> None:
        super().__init__(message)
        self.number = number
        self.consumer = consumer
        self.abandoned = False


class _Timer:
    """One thread that delivers what is due."""

    def __init__(self, deliver: Any) -> None:
        self._deliver = deliver
        self._heap: list[tuple[float, int, str, _Entry]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def add(self, at: float, queue_name: str, entry: _Entry) -> None:
        with self._changed:
            heapq.heappush(self._heap, (at, entry[1], queue_name, entry))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="delays", daemon=True)
                self._thread.start()
            self._changed.notify()

    def waiting(self, queue_name: str) -> int:
        with self._changed:
            return sum(1 for each in self._heap if each[2] == queue_name)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                if not self._heap:
                    self._changed.wait()
                elif (left := self._heap[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    _, _, queue_name, entry = heapq.heappop(self._heap)
                    self._deliver(queue_name, entry)
