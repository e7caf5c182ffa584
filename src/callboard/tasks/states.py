"""The states of a task and the moves between them; the only place where they are listed.

Used by the record, the store's scripts (a test compares them with this table), the API and the docs.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Where a task stands. `stage` and `progress` are the task's own words and not states."""

    SCHEDULED = "scheduled"  # waits for its time in the delay ladder
    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a worker holds its lease
    RETRYING = "retrying"  # an attempt failed, waits for its backoff
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # retries used up, or a permanent error; also in the dead-letter queue
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: From each state, the states it may move to. running → running is a worker lost and its task
#: started again; failed/cancelled → queued is `POST /api/tasks/{id}/retry`.
TRANSITIONS: Final = MappingProxyType(
    {
        State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED}),
        State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELLED}),
        State.RUNNING: frozenset(
            {State.RUNNING, State.RETRYING, State.SUCCEEDED, State.FAILED, State.CANCELLED}
        ),
        State.RETRYING: frozenset({State.QUEUED, State.RUNNING, State.CANCELLED}),
        State.SUCCEEDED: frozenset[State](),
        State.FAILED: frozenset({State.QUEUED}),
        State.CANCELLED: frozenset({State.QUEUED}),
    }
)


class Priority(StrEnum):
    """How urgent a task is; RabbitMQ serves higher levels first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def level(self) -> int:
        """Return the message priority RabbitMQ sorts by, 0 (low) to 2 (high)."""
        return _LEVELS[self]


_LEVELS: Final = {Priority.HIGH: 2, Priority.NORMAL: 1, Priority.LOW: 0}

#: The highest level, declared on every queue as `x-max-priority`.
MAX_LEVEL: Final = 2


def can_move(start: State, end: State) -> bool:
    """Tell whether a task may go from `start` to `end`."""
    return end in TRANSITIONS[start]
