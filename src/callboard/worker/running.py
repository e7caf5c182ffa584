"""What this worker process runs right now: read by heartbeats, time limits and cancel."""

import threading
from dataclasses import dataclass

from callboard.worker.interrupt import Guard, ThreadCancelled


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """One run: the fencing number of its claim and the guard around its code."""

    task_id: str
    run: int
    guard: Guard


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
        """A run has ended."""
        with self._lock:
            if self._runs.get(run.task_id) is run:
                del self._runs[run.task_id]
            if failed:
                self.failed += 1
            else:
                self.done += 1

    def all(self) -> list[ActiveRun]:
        """Return the active runs."""
        with self._lock:
            return list(self._runs.values())

    def guards(self) -> list[Guard]:
        """Return the guards of the active runs."""
        return [each.guard for each in self.all()]

    def cancel(self, task_id: str) -> None:
        """Raise Cancelled in the task, if it runs here."""
        with self._lock:
            run = self._runs.get(task_id)
        if run is not None:
            run.guard.interrupt(ThreadCancelled)
