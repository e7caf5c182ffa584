"""Looks at every active run ten times a second: over its time limit? interrupted, but still there?

A task that sits in a system call cannot be interrupted in it. After a grace of 5 s its run is ended
without it: recorded, acked, and its thread replaced. What the task still does then has no effect on
the record, because the run's number is no longer the current one.
"""

import logging
import threading
import time

from callboard.worker.interrupt import WATCH_S
from callboard.worker.running import ActiveRun, Running

logger = logging.getLogger(__name__)


class Watch(threading.Thread):
    """One daemon thread per worker process."""

    def __init__(self, running: Running) -> None:
        super().__init__(name="time limits", daemon=True)
        self._running = running
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look every 100 ms until stopped."""
        while not self._stopping.wait(WATCH_S):
            now = time.monotonic()
            for run in self._running.all():
                run.guard.check(now)
                if run.guard.hung(now) and run.take_end():
                    logger.error("task %s does not react; its run is ended without it", run.task_id)
                    # It may have to wait for Redis; the others' limits must not wait with it.
                    threading.Thread(target=_end, args=(run,), name="hung task", daemon=True).start()

    def stop(self) -> None:
        """End the thread soon."""
        self._stopping.set()


def _end(run: ActiveRun) -> None:
    try:
        run.end_without_it()
    except Exception:  # a loop's edge: the lease ends by itself, and another worker takes over
        logger.exception("the hung task %s could not be ended", run.task_id)
