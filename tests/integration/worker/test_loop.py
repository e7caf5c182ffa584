"""The worker's loop by itself, in this process: hostile messages, priorities across queues, unknown types."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pytest

from callboard.broker.embedded import EmbeddedBroker
from callboard.worker.loop import PASS_ON_MOST, PriorityWorker, Unknown
from tests.integration.worker.harness import soon
from tests.patience import PATIENCE_S

HIGH, NORMAL, LOW = 2, 1, 0


class Board:
    """A worker with one thread whose actor notes what it runs and waits while the gate is shut."""

    def __init__(self) -> None:
        self.broker = EmbeddedBroker([])
        self.ran: list[Any] = []
        self.failed: list[str] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

        def work(n: Any) -> None:
            self.ran.append(n)
            self.entered.release()
            assert self.gate.wait(PATIENCE_S)

        for queue in ("default", "email", "data"):
            dramatiq.actor(actor_name=f"work_{queue}", queue_name=queue, broker=self.broker)(work)
        unknown = Unknown(self.broker, lambda task_id, _: self.failed.append(task_id))
        self.loop = PriorityWorker(self.broker, unknown, queues=None, threads=1)
        self.loop.start()

    def send(self, n: Any, queue: str = "default", level: Any = NORMAL, **changes: Any) -> Any:
        """Put a message into a queue, as odd as `changes` make it."""
        options = {"broker_priority": level, **changes.pop("options", {})}
        fields = {"actor_name": f"work_{queue}", "queue_name": queue, "args": (), "kwargs": {"n": n}}
        made: Any = dramatiq.Message(**{**fields, "options": options, **changes})
        self.broker.publish(queue, made.encode(), level if isinstance(level, int) else NORMAL, 0)
        return made

    def held(self) -> int:
        """Return how many messages wait in this process."""
        return self.loop.work_queue.qsize()


@contextmanager
def running() -> Iterator[Board]:
    """Run a board's loop inside the block."""
    made = Board()
    yield made
    made.gate.set()
    made.loop.stop(timeout=int(PATIENCE_S * 1000))
    made.broker.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Board]:
    """A loop that runs for all tests of this file."""
    with running() as made:
        yield made


@pytest.fixture
def board(shared: Board) -> Board:
    """The same with nothing done yet."""
    shared.gate.set()
    soon(lambda: shared.loop.work_queue.unfinished_tasks == 0, "nothing runs")
    shared.ran.clear()
    shared.broker.dead.clear()
    while shared.entered.acquire(blocking=False):
        pass
    return shared


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"broker_priority": "high"}},
        {"options": {"max_retries": "many"}},
        {"options": {"attempt": None}},
        {"options": {"tags": {"a": 1}}},
        {"kwargs": ["n"]},
        {"args": (1,)},
        {"actor_name": ["work_default"]},
        {"message_id": 7},
    ],
)
def test_a_message_that_can_be_nobodys_task_is_dead_lettered_and_work_goes_on(
    board: Board, changes: dict[str, Any]
) -> None:
    board.send("odd", **changes)
    board.send("next")
    soon(lambda: board.ran == ["next"], "the next one runs")
    assert len(board.broker.dead["default"]) == 1
    assert board.loop.dead_threads() == []


def test_a_message_that_was_moved_to_another_queue_runs_there(board: Board) -> None:
    board.send(1, queue_name="elsewhere")
    board.send(2)
    soon(lambda: board.ran == [1, 2], "both run")
    assert board.loop.dead_threads() == []


def test_among_prefetched_messages_of_several_queues_the_urgent_one_is_first(board: Board) -> None:
    board.gate.clear()
    board.send("first")
    assert board.entered.acquire(timeout=PATIENCE_S)
    board.send("low", "email", LOW)
    soon(lambda: board.held() == 1, "it is prefetched")
    board.send("high", "data", HIGH)
    soon(lambda: board.held() == 2, "it is prefetched")
    board.gate.set()
    soon(lambda: len(board.ran) == 3, "all run")
    assert board.ran == ["first", "high", "low"]


def test_no_more_is_prefetched_than_there_are_threads(board: Board) -> None:
    board.gate.clear()
    for n in range(5):
        board.send(n)
    assert board.entered.acquire(timeout=PATIENCE_S)
    assert (board.held(), board.broker.depth("default")[0]) == (0, 4)


def test_a_task_of_an_unknown_type_is_offered_again_later(board: Board) -> None:
    sent = board.send(1, actor_name="brand_new", level=HIGH)
    soon(lambda: board.broker.depth("default")[1] == 1, "it waits")
    (_, _, _, entry) = board.broker._timer._heap[0]
    again: Any = dramatiq.Message.decode(entry[2])
    assert (again.message_id, again.options["passed_on"]) == (sent.message_id, 1)
    assert again.options["broker_priority"] == HIGH


def test_a_task_that_nobody_knows_fails_in_the_end(board: Board) -> None:
    sent = board.send(1, actor_name="brand_new", options={"passed_on": PASS_ON_MOST})
    soon(lambda: board.failed == [sent.message_id], "it fails")
    assert len(board.broker.dead["default"]) == 1


def test_a_thread_that_has_died_is_noticed() -> None:
    with running() as board:
        assert board.loop.dead_threads() == []
        board.loop.workers[0].stop()
        soon(lambda: len(board.loop.dead_threads()) == 1, "a dead thread is seen")


def test_a_hung_tasks_thread_is_replaced() -> None:
    with running() as board:
        board.gate.clear()
        board.send("hung")
        assert board.entered.acquire(timeout=PATIENCE_S)
        (thread,) = board.loop.workers
        (held,) = board.loop.consumers["default"].consumer._held.values()  # type: ignore[union-attr]
        message: Any = dramatiq.Message.decode(held[2])
        assert message.kwargs == {"n": "hung"}

        proxies: list[Any] = []
        board.loop.consumers["default"].post_process_message = proxies.append  # type: ignore[method-assign,assignment]
        board.loop.give_up(thread, message)
        assert proxies == [message], "its message is acked"
        board.send("next", "email")
        assert board.entered.acquire(timeout=PATIENCE_S), "another thread works on"
        assert board.loop.given_up == 1
