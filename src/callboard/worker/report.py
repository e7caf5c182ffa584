"""Takes a task's progress, log lines and marks to Redis: at most 10 writes a second per task,
the last one always. One flusher thread serves all runs of a worker process.
"""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from callboard.errors import Unavailable
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.tasks.run import maybe_run
from callboard.worker.ports import Store

logger = logging.getLogger(__name__)

#: Seconds between two writes of one task's progress.
INTERVAL_S: Final = 0.1
#: Characters of one log line that are kept.
LINE_MOST: Final = 8_192
#: What a level's name may not hold; `logging.addLevelName` takes anything.
_UNUSUAL: Final = re.compile(r"[^\w .-]", re.ASCII)


class RunReporter:
    """The reporter of one run; progress and log may be called from any thread.

    `on_cancel` is called when an answer from Redis says that the task is to stop.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        task_id: str,
        run: int,
        flusher: "Flusher",
        on_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._task_id = task_id
        self._run = run
        self._flusher = flusher
        self.on_cancel = on_cancel
        self._lock = threading.Lock()
        #: Held while a write is under way: the end of the run must not overtake it.
        self._writing = threading.Lock()
        self._progress: tuple[float, str] | None = None
        self._fraction, self._stage = 0.0, ""
        self._lines: deque[calls.LogLine] = deque(maxlen=calls.LOG_LINES_KEPT)
        #: How many lines there have been; the last of them are waiting in `_lines`.
        self._logged = 0
        self._next_write = 0.0

    def progress(self, fraction: float | None, stage: str | None) -> None:
        """Take the newest progress; what is None stays as it was."""
        with self._lock:
            if fraction is not None:
                self._fraction = float(fraction)
            if stage is not None:
                self._stage = _sendable(stage[:200])
            self._progress = (self._fraction, self._stage)
        self._flusher.wake(self)

    def log(self, record: logging.LogRecord) -> None:
        """Take one log record."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments are the task's, and so is what their __str__ does
            message = f"{record.msg} (its arguments do not fit)"
        if record.exc_info and record.exc_info[1] is not None:
            message += f"\n{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        if len(message) > LINE_MOST:
            message = message[:LINE_MOST] + "… (cut)"
        level = _UNUSUAL.sub("", record.levelname)  # the script puts it into JSON as it is
        line = calls.LogLine(level, int(record.created * 1000), _sendable(message))
        with self._lock:
            self._lines.append(line)
            self._logged += 1
        self._flusher.wake(self)

    def mark(self, name: str) -> None:
        """Keep a name with the record; raises Unavailable."""
        self._store.run(calls.mark(self._keys, self._task_id, name))

    def marked(self, name: str) -> bool:
        """Tell whether the name was kept; raises Unavailable."""
        return self._store.run(calls.marked(self._keys, self._task_id, name))

    def due_in(self, now: float) -> float:
        """Return seconds until the next write may happen."""
        return self._next_write - now

    def flush(self) -> str:
        """Write what is waiting; answers ok, stale or cancel (see calls.report), or lost.

        When Redis does not answer, everything is kept for the next time.
        """
        with self._writing:
            with self._lock:
                progress, self._progress = self._progress, None
                self._next_write = time.monotonic() + INTERVAL_S
            try:
                return self._write(progress)
            except Unavailable:
                return "lost"

    def write_lines(self) -> None:
        """Write the lines that are waiting, before the end of the run; raises Unavailable."""
        with self._writing:
            self._write(None)

    def _write(self, progress: tuple[float, str] | None) -> str:
        with self._lock:
            lines, first = list(self._lines), self._logged - len(self._lines) + 1
            self._lines.clear()
        if progress is None and not lines:
            return "ok"
        try:
            return self._store.run(calls.report(self._keys, self._task_id, self._run, progress, lines, first))
        except Unavailable:
            self._keep(progress, lines)
            raise
        except Exception:  # a bug must not run the task again, nor end the thread that serves them all
            logger.exception("progress or log lines of task %s could not be written", self._task_id)
            return "ok"

    def _keep(self, progress: tuple[float, str] | None, lines: list[calls.LogLine]) -> None:
        """Put back what could not be written, before what has come since."""
        with self._lock:
            if self._progress is None:
                self._progress = progress
            self._lines = deque([*lines, *self._lines], maxlen=calls.LOG_LINES_KEPT)

    def take_progress(self) -> tuple[float, str] | None:
        """Return the progress that is not written yet and forget it: the end of the run takes it."""
        with self._writing, self._lock:
            progress, self._progress = self._progress, None
            return progress


class Flusher(threading.Thread):
    """Writes what reporters hold back, so that a task that goes silent is up to date as well."""

    def __init__(self) -> None:
        super().__init__(name="progress", daemon=True)
        self._waiting: set[RunReporter] = set()
        self._changed = threading.Condition()
        self._stopped = False

    def wake(self, reporter: RunReporter) -> None:
        """Have the reporter flushed as soon as it may."""
        with self._changed:
            if reporter not in self._waiting:
                self._waiting.add(reporter)
                self._changed.notify()

    def forget(self, reporter: RunReporter) -> None:
        """The run has ended."""
        with self._changed:
            self._waiting.discard(reporter)

    def stop(self) -> None:
        """End the thread soon."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """Flush whoever is due until stopped."""
        while True:
            with self._changed:
                if self._stopped:
                    return
                now = time.monotonic()
                due = [each for each in self._waiting if each.due_in(now) <= 0]
                if not due:
                    waits = [each.due_in(now) for each in self._waiting]
                    self._changed.wait(min(waits) if waits else None)
                    continue
                self._waiting.difference_update(due)
            for reporter in due:
                answer = reporter.flush()
                if answer == "lost":
                    self.wake(reporter)
                elif answer == "cancel":
                    reporter.on_cancel()


def _sendable(text: str) -> str:
    """Replace lone surrogates, which cannot be sent as UTF-8; the text matters more than they do."""
    return text.encode("utf-8", "replace").decode()


class CaptureHandler(logging.Handler):
    """Puts what is logged inside a task into the task's own log; installed once on the root logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record to the run it was logged in, if any."""
        run = maybe_run()
        if run is not None:
            try:
                run.reporter.log(record)
            except Exception:  # noqa: BLE001 - a broken log call is no reason for a task to fail
                self.handleError(record)
