"""Events: every change of a record is one event, numbered by the record's version.

They are kept as short texts inside the record's own hash (136 bytes for three of them; a Redis
stream of its own took 4,381) and published as JSON to whoever watches. Log lines take a version
each as well, so that one number orders all of it and a reader resumes with that number alone.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.tasks.states import TERMINAL
from callboard.tasks.times import to_rfc3339

#: Events kept per task; older ones are gone, and a reader that asks for them gets a `gap`.
EVENTS_KEPT: Final = 200

_KINDS: Final = {"s": "state", "p": "progress"}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change or log line: `version` grows by one with each; `at_ms` is Redis's clock.

    `kind` is state, progress or log.
    """

    task_id: str
    version: int
    kind: str
    status: str = ""
    at_ms: int = 0
    progress: float = 0.0
    stage: str | None = None
    attempt: int = 0
    task_type: str = ""
    priority: str = ""
    level: str = ""
    message: str = ""

    @property
    def ends(self) -> bool:
        """Tell whether the task has ended with this event."""
        return self.kind == "state" and self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class Replay:
    """What is kept of the versions `after` + 1 to `upto`, oldest first; read on while `upto` < `version`.

    `version` and `status` are the record's own; `status` is "" when there is no record.
    """

    events: list[Event]
    version: int
    status: str
    after: int = 0
    upto: int = 0

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Return the first and last version of every run that is no longer kept."""
        found, last = [], self.after
        for version in [*(event.version for event in self.events), self.upto + 1]:
            if version > last + 1:
                found.append((last + 1, version - 1))
            last = version
        return found

    @property
    def ended(self) -> bool:
        """Tell whether the task has ended."""
        return self.status in TERMINAL


def decode(task_id: str, version: int, text: str) -> Event:
    """Return the event kept under a version; `text` is `kind|at|status|attempt|progress|stage`."""
    kind, at, status, attempt, progress, stage = text.split("|", 5)
    return Event(
        task_id=task_id,
        version=version,
        kind=_KINDS[kind],
        status=status,
        at_ms=int(at),
        progress=float(progress),
        stage=stage or None,
        attempt=int(attempt),
    )


class _Line(msgspec.Struct):
    version: int
    at_ms: int
    attempt: int
    level: str
    message: str


def decode_line(task_id: str, text: bytes) -> Event:
    """Return the event of a kept log line (JSON)."""
    line = msgspec.json.decode(text, type=_Line)
    return Event(
        task_id=task_id,
        version=line.version,
        kind="log",
        at_ms=line.at_ms,
        attempt=line.attempt,
        level=line.level,
        message=line.message,
    )


def view(event: Event) -> dict[str, Any]:
    """Return what a stream shows of an event (contract.md, Live)."""
    common = {"task_id": event.task_id, "version": event.version, "at": to_rfc3339(event.at_ms)}
    if event.kind == "log":
        return {
            **common,
            "kind": "log",
            "attempt": event.attempt,
            "level": event.level,
            "message": event.message,
        }
    return {
        **common,
        "kind": event.kind,
        "status": event.status,
        "stage": event.stage,
        "progress": event.progress,
        "attempt": event.attempt,
    }
