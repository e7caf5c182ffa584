"""What Callboard leans on in dramatiq's worker loop: hooks, acks, results and async tasks. When one of
these fails after an upgrade, read worker/loop.py and worker/execute.py before you change the pin.
"""

import asyncio
import inspect
import logging
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq import asyncio as dramatiq_asyncio
from dramatiq import middleware as dramatiq_middleware
from dramatiq import threading as dramatiq_threading
from dramatiq import worker as dramatiq_worker
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.results import ResultBackend, Results

from callboard.worker.insist import Ended
from tests.patience import PATIENCE_S, wait_until

# -- hooks: why claim, retry and finish are no middleware (docs/decisions/0001)


class Failing(dramatiq.Middleware):
    """A middleware whose hooks fail."""

    def before_ack(self, broker: Broker, message: MessageProxy) -> None:
        raise RuntimeError("before")

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        raise RuntimeError("after")


def test_errors_of_hooks_are_swallowed(caplog: pytest.LogCaptureFixture) -> None:
    broker = StubBroker(middleware=[Failing()])
    with caplog.at_level(logging.CRITICAL):
        broker.emit_before("ack", None)
        broker.emit_after("ack", None)
    assert caplog.text.count("Unexpected failure") == 2


# -- the worker loop: worker/loop.py


def test_what_is_prefetched_is_served_by_priority_and_then_by_arrival() -> None:
    work: queue.PriorityQueue[Any] = queue.PriorityQueue()
    for name, priority in (("normal", -1), ("low", 0), ("high", -2), ("normal too", -1)):
        waiting: Any = name
        work.put(dramatiq_worker._WorkQueueItem(priority, waiting))
    assert [work.get().message for _ in range(4)] == ["high", "normal", "normal too", "low"]


def test_a_worker_has_the_attributes_we_use() -> None:
    worker = dramatiq_worker.Worker(StubBroker(middleware=[]), queues={"a"}, worker_threads=3)
    assert worker.consumer_whitelist == {"a"}
    assert worker.queue_prefetch == 6, "PriorityWorker sets it to the number of threads"
    assert worker.worker_threads == 3
    assert (worker.consumers, worker.workers) == ({}, [])
    assert isinstance(worker.work_queue, queue.PriorityQueue)
    assert issubclass(dramatiq_worker.WorkerThread, threading.Thread)
    assert issubclass(dramatiq_worker.ConsumerThread, threading.Thread)


class Recorder(Consumer):
    """Notes what is done with messages."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self.failures: list[BaseException] = []

    def ack(self, message: MessageProxy) -> None:
        if self.failures:
            raise self.failures.pop()
        self._notes.append("ack")

    def nack(self, message: MessageProxy) -> None:
        self._notes.append("nack")


class Noting(dramatiq.Middleware):
    """Notes hooks."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def before_ack(self, broker: Broker, message: MessageProxy) -> None:
        self._notes.append("before_ack")

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        self._notes.append("after_ack")

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        self._notes.append("before_nack")

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        self._notes.append("after_nack")


@pytest.fixture
def notes() -> list[str]:
    """What has happened, in order."""
    return []


@pytest.fixture
def broker(notes: list[str]) -> StubBroker:
    """A broker without Retries, as ours."""
    return StubBroker(middleware=[Noting(notes)])


@pytest.fixture
def consumer_thread(broker: StubBroker, notes: list[str]) -> Any:
    """A consumer thread that is not started."""
    made = dramatiq_worker.ConsumerThread(
        broker=broker, queue_name="default", prefetch=1, work_queue=queue.PriorityQueue(), worker_timeout=100
    )
    made.consumer = Recorder(notes)
    return made


def proxy(broker: Broker, name: str = "any") -> MessageProxy:
    """Return a message as a worker holds it."""
    return MessageProxy(dramatiq.Message("default", name, (), {}, {}))


def test_a_message_is_acked_between_its_hooks(consumer_thread: Any, broker: Broker, notes: list[str]) -> None:
    consumer_thread.post_process_message(proxy(broker))
    assert notes == ["before_ack", "ack", "after_ack"]


def test_a_failed_message_is_rejected(consumer_thread: Any, broker: Broker, notes: list[str]) -> None:
    message = proxy(broker)
    message.fail()
    consumer_thread.post_process_message(message)
    assert notes == ["before_nack", "nack", "after_nack"]


def test_an_ack_is_tried_again_after_a_connection_error(
    consumer_thread: Any, broker: Broker, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dramatiq_worker, "POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0)
    consumer_thread.consumer.failures = [ConnectionClosed("gone")]
    consumer_thread.post_process_message(proxy(broker))
    assert notes == ["before_ack", "before_ack", "ack", "after_ack"]


def test_any_other_error_of_an_ack_leaves_the_message_unacked(
    consumer_thread: Any, broker: Broker, notes: list[str]
) -> None:
    consumer_thread.consumer.failures = [RuntimeError("a bug")]
    consumer_thread.post_process_message(proxy(broker))
    assert "ack" not in notes


def _process(broker: Broker, consumer_thread: Any, message: MessageProxy) -> None:
    work: queue.PriorityQueue[Any] = queue.PriorityQueue()
    work.put(dramatiq_worker._WorkQueueItem(0, message))
    thread = dramatiq_worker.WorkerThread(
        broker=broker, consumers={"default": consumer_thread}, work_queue=work, worker_timeout=100
    )
    thread.process_message(work.get().message)


@pytest.mark.parametrize(("error", "logged"), [(Ended(), False), (ValueError("no"), True)])
def test_without_retries_a_raising_actor_is_acked_and_only_retry_is_not_logged(
    broker: StubBroker,
    consumer_thread: Any,
    notes: list[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: bool,
) -> None:
    def actor() -> None:
        raise error

    dramatiq.actor(actor_name="any", queue_name="default", broker=broker)(actor)
    with caplog.at_level(logging.INFO):
        _process(broker, consumer_thread, proxy(broker))
    assert notes == ["before_ack", "ack", "after_ack"]
    assert bool(caplog.records) is logged


def test_a_task_that_raises_ended_lets_no_pipeline_go_on(broker: StubBroker, consumer_thread: Any) -> None:
    broker.add_middleware(dramatiq_middleware.Pipelines())
    target: dramatiq.Message[Any] = dramatiq.Message("default", "next", (), {}, {})

    def actor() -> None:
        raise Ended

    dramatiq.actor(actor_name="any", queue_name="default", broker=broker)(actor)
    dramatiq.actor(actor_name="next", queue_name="default", broker=broker)(lambda: None)
    message = MessageProxy(
        dramatiq.Message("default", "any", (), {}, {"pipe_target": target.asdict() | {"args": []}})
    )
    _process(broker, consumer_thread, message)
    assert broker.queues["default"].qsize() == 0


def test_an_actor_runs_with_its_message_at_hand(broker: StubBroker, consumer_thread: Any) -> None:
    broker.add_middleware(dramatiq_middleware.CurrentMessage())
    seen: list[Any] = []
    current = dramatiq_middleware.CurrentMessage.get_current_message
    dramatiq.actor(actor_name="any", queue_name="default", broker=broker)(lambda: seen.append(current()))
    message = proxy(broker)
    _process(broker, consumer_thread, message)
    assert seen == [message], "worker/execute.py takes the delivery from there"


# -- results: store/results.py


def test_the_results_middleware_asks_our_backend(broker: StubBroker) -> None:
    class Backend(ResultBackend):
        def _get(self, message_key: str) -> Any:
            return f"result of {message_key}"

        def build_message_key(self, message: Any) -> str:
            return str(message.message_id)

    broker.add_middleware(Results(backend=Backend()))
    message: dramatiq.Message[Any] = dramatiq.Message("default", "any", (), {}, {})
    backend = broker.get_results_backend()
    assert message.get_result(backend=backend) == f"result of {message.message_id}"


# -- async tasks: the EventLoopThread of the AsyncIO middleware


@pytest.fixture
def event_loop_thread() -> Iterator[dramatiq_asyncio.EventLoopThread]:
    """The thread that runs `async def` tasks."""
    made = dramatiq_asyncio.EventLoopThread(logging.getLogger(__name__))
    made.start(timeout=PATIENCE_S)
    dramatiq_asyncio.set_event_loop_thread(made)
    yield made
    dramatiq_asyncio.set_event_loop_thread(None)
    made.stop()


@pytest.mark.usefixtures("event_loop_thread")
def test_an_interrupt_of_the_waiting_thread_cancels_the_coroutine() -> None:
    entered, cleaned = threading.Event(), threading.Event()
    outcome: list[BaseException] = []

    async def wait_for_ever() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    def work() -> None:
        try:
            dramatiq_asyncio.async_to_sync(wait_for_ever)()
        except dramatiq_threading.Interrupt as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(PATIENCE_S)
    # Before it waits nothing would cancel the coroutine; our Guard never interrupts it there.
    wait_until(
        lambda: sys._current_frames()[thread.ident or 0].f_globals["__name__"] == "threading",
        what="the thread waits")  # fmt: skip
    dramatiq_threading.raise_thread_exception(thread.ident, dramatiq_threading.Interrupt)
    thread.join(PATIENCE_S)
    assert [type(each) for each in outcome] == [dramatiq_threading.Interrupt]
    assert cleaned.is_set(), "the coroutine has ended before the thread goes on"


def test_interrupt_is_no_ordinary_exception() -> None:
    assert issubclass(dramatiq_threading.Interrupt, BaseException)
    assert not issubclass(dramatiq_threading.Interrupt, Exception)


def test_the_wait_for_a_coroutine_looks_up_often_enough_to_be_interrupted() -> None:
    assert inspect.signature(dramatiq_asyncio.EventLoopThread.__init__).parameters[
        "interrupt_check_ival"
    ].default == pytest.approx(0.1)
