"""What this worker process runs right now: read by heartbeats, time limits and cancel."""

import threading
from collections.abc import Callable

from callboard.worker.interrupt import Guard, ThreadCancelled


class ActiveRun:
    """One run: the fencing number of its claim, the guard around its code, and who may end it."""

    def __init__(self, task_id: str, run: int, guard: Guard, end_without_it: Callable[[], None]) -> None:
        self.task_id = task_id
        self.run = run
        self.guard = guard
        #: Records the end of a run whose task does not react, and gives its thread up.
        self.end_without_it = end_without_it
        self._lock = threading.Lock()
        self._taken = False

    def take_end(self) -> bool:
        """Return True to the first who asks: it records the end, and nobody else does."""
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken


class Running:
    """The active runs and how many have ended; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, ActiveRun] = {}
        self.done = 0
        self.failed = 0

    def enter(self, run: ActiveRun) -> None:
        """A run begins."""
        with self._lock:
            self._runs[run.task_id] = run

    def leave(self, run: ActiveRun, *, failed: bool) -> None:
        """A run has ended; one that was given up has ended then, and not when its thread comes back."""
        with self._lock:
            if self._runs.get(run.task_id) is not run:
                return
            del self._runs[run.task_id]
            if failed:
                self.failed += 1
            else:
                self.done += 1

    def all(self) -> list[ActiveRun]:
        """Return the active runs."""
        with self._lock:
            return list(self._runs.values())

    def cancel(self, task_id: str) -> None:
        """Raise Cancelled in the task, if it runs here."""
        with self._lock:
            run = self._runs.get(task_id)
        if run is not None:
            run.guard.interrupt(ThreadCancelled)
