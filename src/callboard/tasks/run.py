"""What a task sees of its own run: `current_run()`, `progress(…)` and `log` in `callboard`.

The worker makes one Run per attempt; `Reporter` is the seam behind which it talks to Redis.
"""

import contextvars
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from callboard.files import Files


class Reporter(Protocol):
    """Where a run's progress, log lines and marks go."""

    def progress(self, fraction: float | None, stage: str | None) -> None:
        """Take the newest progress; may delay, but never lose, the last one. None: as it was."""

    def log(self, record: logging.LogRecord) -> None:
        """Take one log record of the task."""

    def mark(self, name: str) -> None:
        """Keep `name` with the task's record, across attempts and redeliveries."""

    def marked(self, name: str) -> bool:
        """Tell whether `mark(name)` was called for this task before."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What tasks may use of the installation, filled from the settings by the bootstrap."""

    #: `smtp://user:password@host:port`, `smtps://…`, `smtp+starttls://…` or `console://` (prints).
    smtp_url: str
    #: The From address of mail.
    mail_from: str
    #: The folder or bucket of FILES_URL.
    files: "Files"


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of one task."""

    task_id: str
    task_type: str
    #: 1 for the first attempt.
    attempt: int
    resources: Resources
    reporter: Reporter

    def mark(self, name: str) -> None:
        """Remember, with the task's record, that an effect has happened ("sent")."""
        self.reporter.mark(name)

    def marked(self, name: str) -> bool:
        """Tell whether this task, in this or an earlier attempt, has called `mark(name)`."""
        return self.reporter.marked(name)


_RUN: Final[contextvars.ContextVar[Run | None]] = contextvars.ContextVar("callboard_run", default=None)

#: The task's own logger: what it logs lands in the task's log (`GET /api/tasks/{id}/logs`).
log: Final = logging.getLogger("callboard.task")


def current_run() -> Run:
    """Return the run this code belongs to.

    Raises RuntimeError outside of a task; in a test, enter `use_run(run)` first.
    """
    run = _RUN.get()
    if run is None:
        raise RuntimeError("no task is running here; wrap the call in callboard.use_run(run)")
    return run


def maybe_run() -> Run | None:
    """Return the run this code belongs to, or None outside of a task."""
    return _RUN.get()


@contextmanager
def use_run(run: Run) -> Iterator[Run]:
    """Make `run` the current one inside the block (threads and coroutines it starts included)."""
    token = _RUN.set(run)
    try:
        yield run
    finally:
        _RUN.reset(token)


def progress(fraction: float | None = None, *, stage: str | None = None) -> None:
    """Report how far the task is: `fraction` 0.0–1.0, `stage` a short text such as PROCESSING.

    What is left out stays as it is.

    Cheap to call often: at most 10 a second are written, the last one always. Does nothing
    outside of a task, so that a task's function can be called directly in a test.
    """
    run = _RUN.get()
    if run is None:
        return
    if fraction is not None and not 0.0 <= fraction <= 1.0:
        raise ValueError(f"progress takes 0.0 to 1.0, not {fraction!r}")
    run.reporter.progress(fraction, stage)
