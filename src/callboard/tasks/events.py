"""Events: every change of a record is one event, numbered by the record's version.

They are kept as short texts inside the record's own hash (136 bytes for three of them; a Redis
stream of its own took 4,381) and published as JSON to whoever watches.
"""

from typing import Final

import msgspec

#: Events kept per task; older ones are gone, and a reader that asks for them gets a `gap`.
EVENTS_KEPT: Final = 200

_KINDS: Final = {"s": "state", "p": "progress"}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change: `version` grows by one with each; `at_ms` is Redis's clock."""

    task_id: str
    version: int
    kind: str
    status: str
    at_ms: int
    progress: float
    stage: str | None = None
    attempt: int = 0


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
