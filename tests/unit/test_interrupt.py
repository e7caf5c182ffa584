"""Interrupting a task from outside: it ends, its thread survives, and no lock stays behind."""

import contextlib
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from dramatiq.threading import Interrupt

from callboard.tasks.control import Cancelled, TimeLimitExceeded
from callboard.worker.interrupt import GRACE_S, Guard, ThreadCancelled, ThreadTimeLimit
from tests.patience import PATIENCE_S, wait_until

FAR_S = 3_600.0


def spin() -> None:
    """Be busy until interrupted."""
    while True:
        pass


def busy(rounds: int) -> int:
    """Be busy for a while."""
    count = 0
    for _ in range(rounds):
        count += 1
    return count


@contextmanager
def interrupting(next_guard: Callable[[], Guard | None]) -> Iterator[None]:
    """Interrupt whatever guard there is, again and again, from another thread."""
    over = threading.Event()

    def shoot() -> None:
        while not over.is_set():
            if (guard := next_guard()) is not None:
                guard.interrupt(ThreadCancelled)

    thread = threading.Thread(target=shoot)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_task_that_is_left_alone_returns_its_value() -> None:
    assert Guard(FAR_S).run(lambda: 7) == 7


def test_an_error_of_the_task_comes_through() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Guard(FAR_S).run(fail)


@pytest.mark.parametrize(
    ("error", "seen"), [(ThreadCancelled, Cancelled), (ThreadTimeLimit, TimeLimitExceeded)]
)
def test_a_busy_task_is_interrupted(error: type[BaseException], seen: type[BaseException]) -> None:
    guard = Guard(FAR_S)
    threading.Timer(0.02, guard.interrupt, [error]).start()
    with pytest.raises(seen) as caught:
        guard.run(spin)
    assert isinstance(caught.value, Interrupt), "dramatiq's event loop thread has to know it as well"


def test_a_task_that_waits_is_interrupted_when_the_wait_ends() -> None:
    guard, waits = Guard(FAR_S), threading.Event()

    def wait_shortly_for_ever() -> None:
        while True:
            waits.wait(0.01)

    threading.Timer(0.02, guard.interrupt, [ThreadCancelled]).start()
    with pytest.raises(Cancelled):
        guard.run(wait_shortly_for_ever)


def test_except_exception_does_not_hold_an_interrupt() -> None:
    guard = Guard(FAR_S)

    def stubborn() -> None:
        while True:
            with contextlib.suppress(Exception):  # what careless tasks do
                spin()

    threading.Timer(0.02, guard.interrupt, [ThreadCancelled]).start()
    with pytest.raises(Cancelled):
        guard.run(stubborn)


def test_a_cancel_that_comes_before_the_task_keeps_it_from_starting() -> None:
    guard, started = Guard(FAR_S), []
    guard.interrupt(ThreadCancelled)
    with pytest.raises(Cancelled):
        guard.run(lambda: started.append(1))
    assert started == []


def test_an_interrupt_after_the_task_does_nothing() -> None:
    guard = Guard(FAR_S)
    guard.run(lambda: None)
    guard.interrupt(ThreadCancelled)
    assert busy(100_000) == 100_000


def test_the_time_limit_interrupts_once_it_has_passed_and_not_before() -> None:
    guard = Guard(60.0)
    inside, result = threading.Event(), []

    def work() -> None:
        inside.set()
        try:
            spin()
        except TimeLimitExceeded:
            result.append("limit")
            raise

    def run() -> None:
        with pytest.raises(TimeLimitExceeded):
            guard.run(work)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(PATIENCE_S)
    guard.check(time.monotonic())
    assert guard.interrupted is None
    guard.check(time.monotonic() + 61)
    thread.join(PATIENCE_S)
    assert result == ["limit"]


def test_the_first_interrupt_is_the_reason_and_the_second_one_changes_nothing() -> None:
    guard, seen = Guard(FAR_S), []

    def clean_up_slowly() -> None:
        try:
            cancel.start()
            spin()
        except Interrupt as error:
            seen.append(type(error))
            guard.interrupt(ThreadTimeLimit)
            busy(100_000)
            raise

    cancel = threading.Timer(0.02, guard.interrupt, [ThreadCancelled])
    with pytest.raises(Cancelled):
        guard.run(clean_up_slowly)
    assert seen == [ThreadCancelled]


def test_what_the_task_makes_of_an_interrupt_does_not_hide_it() -> None:
    guard = Guard(FAR_S)

    def wrap() -> None:
        try:
            cancel.start()
            spin()
        except BaseException as error:
            raise RuntimeError("something went wrong") from error

    cancel = threading.Timer(0.02, guard.interrupt, [ThreadCancelled])
    with pytest.raises(RuntimeError) as caught:
        guard.run(wrap)
    assert isinstance(guard.cause(caught.value), Cancelled)


def test_an_error_without_an_interrupt_is_its_own_cause() -> None:
    error = ValueError("no")
    assert Guard(FAR_S).cause(error) is error


def test_a_task_that_does_not_react_counts_as_hung_after_the_grace() -> None:
    guard, inside, release = Guard(FAR_S), threading.Event(), threading.Event()

    def stuck() -> None:
        inside.set()
        release.wait()  # as in a system call: the exception comes when it returns

    def run() -> None:
        with pytest.raises(Cancelled):
            guard.run(stuck)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(PATIENCE_S)
    assert not guard.hung(time.monotonic() + FAR_S), "nobody has interrupted it"
    guard.interrupt(ThreadCancelled)
    assert not guard.hung(time.monotonic())
    assert guard.hung(time.monotonic() + GRACE_S + 0.1)
    release.set()
    thread.join(PATIENCE_S)
    assert not guard.hung(time.monotonic() + FAR_S)


@pytest.fixture
def _often_switched() -> Iterator[None]:
    """Let threads take turns ten times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 10)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_often_switched")
def test_thousands_of_races_raise_inside_the_task_or_nowhere() -> None:
    """Trap 9: one exception that lands outside kills a worker thread or loses a retry."""
    rng = random.Random(7)
    current: list[Guard | None] = [None]
    outcomes = {"returned": 0, "interrupted": 0}
    with interrupting(lambda: current[0]):
        for _ in range(1_000):
            guard = current[0] = Guard(FAR_S)
            try:
                guard.run(partial(busy, rng.randrange(250_000)))
                outcomes["returned"] += 1
            except Interrupt:
                outcomes["interrupted"] += 1
            assert busy(300) == 300  # whatever arrives here ends the test
    assert min(outcomes.values()) > 50, outcomes


def _interrupt_often(action: Callable[[], object], times: int) -> None:
    current: list[Guard | None] = [None]

    def again_and_again() -> None:
        while True:
            action()
            busy(20)

    with interrupting(lambda: current[0]):
        for _ in range(times):
            guard = current[0] = Guard(FAR_S)
            with pytest.raises(Cancelled):
                guard.run(again_and_again)


def _works_elsewhere(action: Callable[[], object]) -> None:
    """Fail if another thread can no longer do it, because a lock was left behind."""
    done = threading.Event()

    def try_it() -> None:
        action()
        done.set()

    # The thread that left a lock behind must be alive: numbers of dead threads are used again.
    threading.Thread(target=try_it, daemon=True).start()
    wait_until(done.is_set, what="the lock is free")


def test_no_interrupt_leaves_a_condition_locked() -> None:
    condition = threading.Condition()

    def use() -> None:
        with condition:
            condition.notify_all()

    _interrupt_often(use, 40)
    _works_elsewhere(use)


def test_no_interrupt_leaves_an_event_locked() -> None:
    event = threading.Event()
    _interrupt_often(event.set, 40)
    _works_elsewhere(event.set)


def test_no_interrupt_leaves_the_log_locked(tmp_path: object) -> None:
    """The process would hang at its next log line, whichever thread writes it."""
    logger = logging.getLogger("callboard.test-interrupt")
    handler = logging.FileHandler(f"{tmp_path}/log")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        _interrupt_often(lambda: logger.warning("line"), 300)
        _works_elsewhere(lambda: logger.warning("line"))
    finally:
        logger.removeHandler(handler)
        handler.close()
