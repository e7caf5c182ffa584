"""A small model of one task's record: what the scripts should answer and where it should stand.

Nothing in here knows Redis or Lua; test_transitions.py walks both side by side.
"""

from dataclasses import dataclass, field

from callboard.store.calls import STARTS_ALLOWED
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import TERMINAL, State


@dataclass
class Model:
    """What is known of one task. `status` None: there is no record; `gone`: its tombstone's word."""

    task: TaskRecord
    status: State | None
    due: bool = True
    gone: str = ""
    attempts: int = 0
    limit: int = 4
    run: int = 0
    starts: int = 0
    leased: bool = False
    asked: bool = False
    concluded: int = 0
    #: The state after each version; None for a log line.
    versions: list[State | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._to(self.status)

    def _to(self, status: State | None) -> None:
        self.status = status
        self.versions.append(status)

    def _bury(self, word: str) -> None:
        self.status, self.gone, self.versions = None, word, []

    @property
    def ended(self) -> bool:
        """Whether the record is there and terminal."""
        return self.status in TERMINAL

    def reject(self) -> str:
        """Take a submit back."""
        if self.gone:
            return "rejected"
        if self.run or self.status not in (State.QUEUED, State.SCHEDULED):
            return "started"
        self._bury("rejected")
        return "rejected"

    def claim(self, attempt: int, due: bool) -> str:
        """Ask to run the message sent after `attempt` attempts."""
        if self.gone or self.ended:
            return "skip"
        running = self.status is State.RUNNING
        if attempt + running < self.attempts:
            return "skip"
        if running and (self.leased or attempt >= self.attempts):
            return "busy"
        if not due:
            return "early"
        self.run += 1
        if self.asked:
            self._to(State.RUNNING)
            self.starts += 1
            self.leased = True
            return "cancelled"
        self.starts = self.starts + 1 if running else 1
        self.attempts = attempt + 1
        if self.status is State.SCHEDULED:
            self._to(State.QUEUED)
        self.leased = True
        self._to(State.RUNNING)
        return "poison" if self.starts > STARTS_ALLOWED else "run"

    def lapse(self) -> None:
        """Let the lease end, as when the worker dies."""
        self.leased = False

    def release(self, run: int) -> None:
        """Give a run back."""
        if self.status is State.RUNNING and run == self.run:
            self.leased, self.starts = False, max(self.starts - 1, 0)

    def heard(self, run: int) -> str:
        """Answer a run that reports or beats."""
        if self.status is not State.RUNNING or run != self.run:
            return "stale"
        return "cancel" if self.asked else "ok"

    def report(self, run: int, lines: int, progress: bool) -> str:
        """Write log lines and progress."""
        answer = self.heard(run)
        if answer != "stale":
            self.versions += [None] * lines
            if progress:
                self._to(State.RUNNING)
        return answer

    def beat(self, run: int) -> str:
        """Renew the lease."""
        answer = self.heard(run)
        self.leased = self.leased or answer != "stale"
        return answer

    def conclude(self, run: int, outcome: State, due: bool, free: bool) -> str:
        """Record the end of a run."""
        if self.gone:
            return "stale"
        if run == self.concluded:
            return "repeated"
        if self.status is not State.RUNNING or run != self.run:
            return "stale"
        stopped = self.asked and outcome is State.RETRYING
        outcome = State.CANCELLED if stopped else outcome
        self.concluded, self.asked, self.starts = run, False, 0
        self.limit += free and outcome is State.RETRYING
        self.due = due
        self._to(outcome)
        return "cancelled" if stopped else "recorded"

    def cancel(self) -> str:
        """Cancel."""
        if self.gone:
            return "absent"
        if self.ended:
            return "refused"
        if self.status is State.RUNNING:
            self.asked = True
            return "asked"
        self._to(State.CANCELLED)
        return "done"

    def requeue(self) -> str:
        """Run again by hand."""
        if self.gone:
            return "absent"
        if self.status not in (State.FAILED, State.CANCELLED):
            return "refused"
        self.limit, self.asked = self.attempts + self.task.max_retries + 1, False
        self._to(State.QUEUED)
        return "queued"

    def forget(self) -> str:
        """Delete."""
        if self.gone:
            return "absent"
        if not self.ended:
            return "refused"
        self._bury("deleted")
        return "deleted"

    def promote(self) -> None:
        """Show it as queued when its time has come."""
        if self.status in (State.SCHEDULED, State.RETRYING) and self.due:
            self._to(State.QUEUED)

    def fail_unclaimed(self) -> str:
        """Fail it because no worker can start it."""
        if self.status in (State.SCHEDULED, State.RETRYING):
            self._to(State.QUEUED)
        if self.status is not State.QUEUED:
            return "stale"
        self._to(State.FAILED)
        return "recorded"
