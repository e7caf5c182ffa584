"""The message that travels: exactly dramatiq's JSON message, built and read without dramatiq.

The web process publishes these bytes and any dramatiq worker reads them (a contract test
compares both). The message alone is enough to run the task and to rebuild its record.
"""

from typing import Any, Final

import msgspec

from callboard.tasks.record import TaskRecord
from callboard.tasks.states import Priority, State


class Options(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Message options; the first three are dramatiq's own names and units."""

    #: What RabbitMQ sorts by, 0 to 2.
    broker_priority: int = Priority.NORMAL.level
    #: Attempts after the first; None: the task type's own number.
    max_retries: int | None = None
    #: Milliseconds one attempt may run; None: the task type's own limit.
    time_limit: int | None = None
    #: The number of attempts that were over when this message was sent (0 for the first).
    attempt: int = 0
    #: Not before this time (milliseconds since the epoch); a worker that gets it early defers it.
    due_ms: int | None = None
    #: How often a worker that did not know the task type passed it on.
    passed_on: int = 0
    tags: tuple[str, ...] = ()
    #: W3C trace context of what sent the task, and of its attempt before this one; when traces are on.
    traceparent: str = ""
    previous_span: str = ""


class Envelope(msgspec.Struct, kw_only=True):
    """One message; `kwargs` are the task's parameters as raw JSON."""

    queue_name: str
    actor_name: str
    args: tuple[()] = ()
    kwargs: msgspec.Raw
    options: Options
    message_id: str
    #: When the task was created, milliseconds since the epoch.
    message_timestamp: int


def of_record(record: TaskRecord, due_ms: int | None = None) -> Envelope:
    """Return the message that runs a task next; a running one's is that of the attempt that runs."""
    return Envelope(
        queue_name=record.queue,
        actor_name=record.task_type,
        kwargs=record.parameters,
        options=Options(
            broker_priority=record.priority.level,
            max_retries=record.max_retries,
            time_limit=record.time_limit_ms,
            attempt=record.attempts - (record.status is State.RUNNING),
            due_ms=due_ms,
            tags=record.tags,
            traceparent=record.traceparent,
        ),
        message_id=record.task_id,
        message_timestamp=record.created_at,
    )


_ENCODER: Final = msgspec.json.Encoder()


def encode(envelope: Envelope) -> bytes:
    """Return the bytes that go over the wire."""
    return _ENCODER.encode(envelope)


def options_of(raw: dict[str, Any]) -> Options:
    """Return the options of a decoded dramatiq message, ignoring those that are not ours."""
    return msgspec.convert(raw, Options)


def priority_of(level: int) -> Priority:
    """Return the priority of a message level; unknown levels count as the nearest one."""
    return (Priority.LOW, Priority.NORMAL, Priority.HIGH)[max(0, min(2, level))]
