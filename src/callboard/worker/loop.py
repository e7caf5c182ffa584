"""dramatiq's Worker with five differences, all in this file: it prefetches no more than it has
threads, it orders what it has prefetched by the message's own priority, it hands on messages
of task types it does not know, it takes nothing from paused queues, and it gives back what waits behind
its busy threads while others are free (sharing.py). Leans on internals: tests/contract watches them.
"""

import logging
import threading
import time
from typing import Any, Final

import dramatiq
import msgspec
from dramatiq.common import iter_queue
from dramatiq.errors import BrokerConnectionError
from dramatiq.worker import ConsumerThread, _WorkQueueItem

from callboard.tasks.message import options_of
from callboard.tasks.states import Priority

logger = logging.getLogger(__name__)

#: Seconds until a consumer connects again (dramatiq: 3): what RabbitMQ delays is late by this much more.
RECONNECT_S: Final = 0.5
#: Seconds for which the same consumer's lost connection is not told again.
TELL_EVERY_S: Final = 30.0
#: Milliseconds until a message of an unknown task type is offered again (a rolling deploy).
PASS_ON_MS: Final = 5_000
#: How often it is offered before the task fails: an hour.
PASS_ON_MOST: Final = 720


class PriorityWorker(dramatiq.Worker):
    """The loop of a worker process."""

    #: Either of ours: both know `held`.
    broker: Any

    def __init__(
        self, broker: dramatiq.Broker, unknown: "Unknown", *, queues: set[str] | None, threads: int
    ) -> None:
        super().__init__(broker, queues=queues, worker_threads=threads, worker_timeout=500)
        dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = RECONNECT_S  # it has no other setting in this process
        # With dramatiq's 2 × threads, local low tasks stood before an urgent one: p50 102 ms
        # instead of 52 ms at 100 ms tasks (speed.md).
        self.queue_prefetch = threads
        self._unknown = unknown
        self._holding = threading.Lock()
        self._paused: frozenset[str] = frozenset()
        #: Queues that are left to others while all threads are busy here.
        self.spared: frozenset[str] = frozenset()
        #: Threads that sit in a hung task; each of them still takes memory.
        self.given_up = 0

    def _add_consumer(self, queue_name: str, *, delay: bool = False) -> None:
        if queue_name in self.consumers:
            return
        if self.consumer_whitelist and queue_name not in self.consumer_whitelist:
            return
        consumer = _PriorityConsumer(
            self._unknown,
            broker=self.broker,
            queue_name=queue_name,
            prefetch=self.queue_prefetch,
            work_queue=self.work_queue,
            worker_timeout=self.worker_timeout,
        )
        self.consumers[queue_name] = consumer
        consumer.start()

    def stop(self, timeout: int = 600_000) -> None:
        """Give back what waits here, so that others do it now, and end what runs within `timeout` ms."""
        for worker in self.workers:
            worker.stop()
        consumers: dict[str, Any] = dict(self.consumers)
        for consumer in consumers.values():
            consumer.drain([])  # from now on nothing comes into the queue
        for item in iter_queue(self.work_queue):
            consumers[item.message.queue_name].drain([item.message])
        super().stop(timeout)

    def hold(self, queues: frozenset[str]) -> None:
        """Take nothing from these queues and give back what waits of them here; take from all others."""
        with self._holding:
            if queues != self._paused:
                logger.info("paused queues: %s", ", ".join(sorted(queues)) or "none")
                self._paused = queues
                self._sort_out()

    def spare(self, queues: frozenset[str]) -> None:
        """Leave these queues to others, as `hold` does, until a thread is free here."""
        with self._holding:
            if queues != self.spared:
                logger.debug("left to others: %s", ", ".join(sorted(queues)) or "none")
                self.spared = queues
                self._sort_out()

    def _sort_out(self) -> None:
        before, held = self.broker.held, self._paused | self.spared
        self.broker.held = held
        consumers: dict[str, Any] = dict(self.consumers)
        for consumer in consumers.values():
            consumer.settle()  # from now on nothing of what is held comes into the work queue
        for item in list(iter_queue(self.work_queue)):
            self.work_queue.task_done()
            if item.message.queue_name in held:
                consumers[item.message.queue_name].give_back([item.message])
            else:
                self.work_queue.put(item)
        for name in before - held:
            if name in consumers:
                consumers[name].wake()

    def refuse(self, message: Any) -> None:
        """Give back a message whose queue turned out to be paused before this process heard of it."""
        self.hold(self._paused | {message.queue_name})
        consumer: Any = self.consumers[message.queue_name]
        consumer.give_back([message])

    def full(self) -> bool:
        """Tell whether every thread has a task."""
        queue = self.work_queue
        return queue.unfinished_tasks - queue.qsize() - self.given_up >= self.worker_threads

    def working(self) -> bool:
        """Tell whether a thread still handles a message, if only to put it off; after `stop`."""
        return any(worker.is_alive() for worker in self.workers)

    def waiting(self, seconds: float) -> frozenset[str]:
        """Return the queues of which something has waited here for so long."""
        since = time.monotonic_ns() - int(seconds * 1e9)
        with self.work_queue.mutex:
            items = [each for each in self.work_queue.queue if each._queued_time <= since]
        return frozenset(each.message.queue_name for each in items)

    def dead_threads(self) -> list[str]:
        """Return the names of threads that should be alive and are not."""
        threads = [*self.workers, *self.consumers.values()]
        return [thread.name for thread in threads if not thread.is_alive()]

    def give_up(self, thread: threading.Thread, message: Any) -> None:
        """Ack a hung task's message and put a fresh thread in its thread's place."""
        self.consumers[message.queue_name].post_process_message(message)
        for worker in self.workers:
            if worker is thread:
                worker.stop()  # it ends by itself if the task ever returns
                self.workers.remove(worker)
                self.given_up += 1
                self._add_worker()
                return


class Unknown:
    """What to do with a message whose task type is not known here."""

    def __init__(self, outlet: Any, fail: Any) -> None:
        self._outlet = outlet
        self._fail = fail

    def handle(self, message: Any) -> None:
        """Offer it again later, or fail the task after an hour; raises BrokerConnectionError."""
        options = options_of(message.options)
        copy = message._message
        if options.passed_on >= PASS_ON_MOST:
            self._outlet.dead_letter(copy)
            self._fail(message.message_id, message.actor_name)
            return
        logger.warning("task type %r is unknown here; passing the task on", message.actor_name)
        again = copy.copy(options={"passed_on": options.passed_on + 1})
        self._outlet.enqueue(again, delay=PASS_ON_MS)


def _flaw(message: Any) -> str | None:
    """Return why a message can be nobody's task, or None."""
    if not isinstance(message.message_id, str) or not isinstance(message.actor_name, str):
        return "its id or task type is no text"
    if message.args or not isinstance(message.kwargs, dict):
        return "its parameters have no names"
    try:
        options_of(message.options)
    except msgspec.ValidationError as error:
        return f"its options are not ours: {error}"
    return None


class _PriorityConsumer(ConsumerThread):
    broker: Any

    def __init__(self, unknown: Unknown, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._unknown = unknown
        self._told_at = float("-inf")
        self.logger.addFilter(self._is_news)
        self._draining = False
        self._lock = threading.Lock()

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Let a lost connection be told once, not at every attempt to connect again."""
        if "connection error" not in str(record.msg):
            return True
        known = time.monotonic() - self._told_at < TELL_EVERY_S
        if not known:
            self._told_at = time.monotonic()
        return not known

    def drain(self, messages: list[Any]) -> None:
        """Take no more messages, and give these back."""
        with self._lock:
            self._draining = True
        consumer: Any = self.consumer
        if consumer is not None:
            consumer.drain(messages)

    def give_back(self, messages: list[Any]) -> None:
        """Let others have these messages."""
        consumer: Any = self.consumer
        if consumer is not None:
            consumer.give_back(messages)

    def wake(self) -> None:
        """Take from the queue again at once."""
        consumer: Any = self.consumer
        if consumer is not None:
            consumer.wake()

    def settle(self) -> None:
        """Return once a message that was being handled is where it belongs."""
        with self._lock:
            pass

    def handle_message(self, message: Any) -> None:
        if flaw := _flaw(message):
            # Whatever is raised here restarts this thread, and RabbitMQ hands the same message out again.
            logger.error("dead-lettering message %s: %s", message.message_id, flaw)
            message.fail()
            self.post_process_message(message)
            return
        if message.queue_name != self.queue_name:  # moved by hand; dramatiq finds its consumer by this name
            message._message = message._message.copy(queue_name=self.queue_name)
        if message.actor_name not in self.broker.actors:
            try:
                self._unknown.handle(message)
            except BrokerConnectionError:
                raise  # un-acked: the consumer restarts and gets it again
            self.post_process_message(message)
            return
        level = message.options.get("broker_priority", Priority.NORMAL.level)
        with self._lock:
            if not self._draining and self.queue_name not in self.broker.held:
                self.work_queue.put(_WorkQueueItem(-level, message))
                return
        self.give_back([message])
