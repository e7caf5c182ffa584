"""Raises an exception inside a running task from outside: for its time limit and for cancel.

The exception arrives at some later bytecode of the thread. It must never land outside the task's own
code (there it killed worker threads and lost retries, promises.md, trap 9), so a Guard is armed only
around the task and takes back what has not arrived yet.
Nor may it land between a lock's `acquire` and the `try` that releases it: in logging, or inside
threading.Condition, the lock then stays taken and every other thread hangs (47 of 100 interrupts of
a tight loop). worker/raising.py finds the moments at which it may.
A system call that blocks (a long `time.sleep`, a stuck socket) is interrupted only when it returns;
when that takes longer than 5 s the run is ended without its thread (worker/hung.py).
"""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from dramatiq.threading import Interrupt

from callboard.tasks.control import Cancelled, TimeLimitExceeded
from callboard.worker.raising import Shot, shot

T = TypeVar("T")

#: How often deadlines are looked at, seconds.
WATCH_S: Final = 0.1
#: Seconds an interrupted task may take to end; then it counts as hung.
GRACE_S: Final = 5.0
#: Looks in a row for a moment at which the task may be interrupted, and seconds between them.
LOOKS: Final = 50
LOOK_S: Final = 0.001


class ThreadCancelled(Cancelled, Interrupt):
    """Cancelled, in the form that dramatiq's event loop thread understands as well."""


class ThreadTimeLimit(TimeLimitExceeded, Interrupt):
    """TimeLimitExceeded, in the same form."""


class Guard:
    """Around one run of one task; `interrupt` may be called from any thread at any time."""

    def __init__(self, time_limit_s: float) -> None:
        self._deadline = time.monotonic() + time_limit_s
        self._lock = threading.Lock()
        self._thread_id: int | None = None
        self._shot: Shot | None = None
        #: What it was interrupted with, and when (time.monotonic()); the first one counts.
        self.interrupted: tuple[type[BaseException], float] | None = None

    def run(self, function: Callable[[], T]) -> T:
        """Call the function; Cancelled and TimeLimitExceeded come out of here and nowhere else."""
        try:
            try:
                self._arm()
                return function()
            finally:
                self._disarm()
        except Interrupt:
            self._disarm()  # it may have arrived inside the first one
            raise

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise `error` in the task, once; does nothing after the task has ended.

        When no moment for it comes within 50 ms, `check` looks on.
        """
        with self._lock:
            if self.interrupted is None:
                self.interrupted = (error, time.monotonic())
        for _ in range(LOOKS):
            time.sleep(LOOK_S)
            if self._attempt():
                return

    def check(self, now: float) -> None:
        """Interrupt the task if its time limit has passed; `now` is time.monotonic()."""
        if self.interrupted is not None:
            self._attempt()  # the watch has just woken, too
        elif now >= self._deadline:
            self.interrupt(ThreadTimeLimit)

    def _attempt(self) -> bool:
        """Raise what is wanted if this is a moment for it; tell whether there is nothing left to do."""
        with self._lock:
            if self._thread_id is None or self.interrupted is None:
                return True
            if self._shot is None:
                self._shot = shot(self._thread_id, self.interrupted[0])
            return self._shot.attempt()

    def cause(self, error: BaseException) -> BaseException:
        """Return why the task ended: the interrupt, even when the task made another error of it."""
        if self.interrupted is None or isinstance(error, Interrupt):
            return error
        return self.interrupted[0]().with_traceback(error.__traceback__)

    def hung(self, now: float) -> bool:
        """Tell whether the task was interrupted more than GRACE_S ago and has not ended."""
        with self._lock:
            inside = self._thread_id is not None and self.interrupted is not None
            return inside and self.interrupted is not None and now - self.interrupted[1] > GRACE_S

    def _arm(self) -> None:
        with self._lock:
            early = self.interrupted
            if early is None:
                self._thread_id = threading.get_ident()
        if early is not None:
            raise early[0]

    def _disarm(self) -> None:
        with self._lock:
            if self._shot is not None:
                self._shot.take_back()
            self._thread_id = None
            self._shot = None
