"""A task's record as it is read from Redis, and the JSON that clients see of it."""

from typing import Any, Final

import msgspec

from callboard.tasks.states import TERMINAL, Priority, State
from callboard.tasks.times import to_rfc3339

_NULL: Final = msgspec.Raw(b"null")


class TaskRecord(msgspec.Struct, kw_only=True):
    """One task. Times are milliseconds since the epoch; JSON values stay as the text they came in."""

    task_id: str
    task_type: str
    status: State
    priority: Priority
    queue: str
    parameters: msgspec.Raw
    max_retries: int
    time_limit_ms: int
    created_at: int
    progress: float = 0.0
    stage: str | None = None
    result: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    attempts: int = 0
    eta: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    worker: str | None = None
    tags: tuple[str, ...] = ()
    version: int = 1
    #: Ended attempts but the last one, as JSON lines.
    history: bytes = b""
    #: Attempts that may be started in all; grows when somebody retries by hand.
    attempt_limit: int = 1
    #: True once a cancel was asked of a running task.
    cancel_requested: bool = False
    #: The span that sent it (W3C trace context), when traces are on.
    traceparent: str = ""

    @property
    def terminal(self) -> bool:
        """Tell whether the task has ended."""
        return self.status in TERMINAL


def new_fields(record: TaskRecord) -> list[str | bytes | int]:
    """Return the hash fields of a new record that no index needs, as name, value pairs."""
    return [
        "queue", record.queue, "parameters", bytes(record.parameters),
        "max_retries", record.max_retries, "attempt_limit", record.attempt_limit,
        "time_limit_ms", record.time_limit_ms, "created_at", record.created_at,
        *(("traceparent", record.traceparent) if record.traceparent else ()),
    ]  # fmt: skip


#: The hash fields of a record in the order the store reads them.
FIELDS: Final = (
    "task_type", "status", "priority", "queue", "parameters", "max_retries", "time_limit_ms",
    "created_at", "progress", "stage", "result", "error", "attempts", "eta", "started_at",
    "finished_at", "worker", "tags", "version", "history", "attempt_limit", "cancel_requested",
    "traceparent",
)  # fmt: skip


def from_values(task_id: str, values: list[bytes | None]) -> TaskRecord | None:
    """Return the record of HMGET's answer for FIELDS, or None when there is none (any more)."""
    found = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    status = found.get("status", b"")
    if "task_type" not in found or status not in _STATES:
        return None  # absent, or the tombstone of a rejected or deleted task

    def number(name: str) -> int | None:
        return int(found[name]) if name in found else None

    return TaskRecord(
        task_id=task_id,
        task_type=found["task_type"].decode(),
        status=_STATES[status],
        priority=_PRIORITIES.get(found.get("priority", b""), Priority.NORMAL),
        queue=found["queue"].decode(),
        parameters=msgspec.Raw(found.get("parameters", b"{}")),
        max_retries=number("max_retries") or 0,
        time_limit_ms=number("time_limit_ms") or 0,
        created_at=number("created_at") or 0,
        progress=float(found.get("progress", b"0")),
        stage=found["stage"].decode() or None if "stage" in found else None,
        result=msgspec.Raw(found["result"]) if "result" in found else _NULL,
        error=msgspec.Raw(found["error"]) if "error" in found else _NULL,
        attempts=number("attempts") or 0,
        eta=number("eta"),
        started_at=number("started_at"),
        finished_at=number("finished_at"),
        worker=found["worker"].decode() or None if "worker" in found else None,
        tags=tuple(msgspec.json.decode(found["tags"], type=list[str])) if "tags" in found else (),
        version=number("version") or 1,
        history=found.get("history", b""),
        attempt_limit=number("attempt_limit") or 1,
        cancel_requested="cancel_requested" in found,
        traceparent=found.get("traceparent", b"").decode(),
    )


_STATES: Final = {state.value.encode(): state for state in State}
_PRIORITIES: Final = {priority.value.encode(): priority for priority in Priority}


def view(record: TaskRecord) -> dict[str, Any]:
    """Return what `GET /api/tasks/{id}` answers, ready for msgspec's JSON encoder."""
    self_link = f"/api/tasks/{record.task_id}"
    return {
        "task_id": record.task_id,
        "task_type": record.task_type,
        "status": record.status.value,
        "priority": record.priority.value,
        "queue": record.queue,
        "progress": record.progress,
        "stage": record.stage,
        "parameters": record.parameters,
        "result": record.result,
        "error": record.error,
        "attempts": record.attempts,
        "max_retries": record.max_retries,
        "time_limit": record.time_limit_ms / 1000,
        "created_at": to_rfc3339(record.created_at),
        "eta": to_rfc3339(record.eta),
        "started_at": to_rfc3339(record.started_at),
        "finished_at": to_rfc3339(record.finished_at),
        "worker": record.worker,
        "tags": record.tags,
        "version": record.version,
        "history": _history(record),
        "links": {
            "self": self_link,
            "cancel": self_link + "/cancel",
            "retry": self_link + "/retry",
            "events": self_link + "/events",
            "logs": self_link + "/logs",
        },
    }


def _history(record: TaskRecord) -> list[dict[str, Any]]:
    ended = [msgspec.json.decode(line) for line in record.history.splitlines() if line]
    entries = [_entry(each) for each in ended]
    if record.terminal and record.started_at is not None:
        entries.append(
            _entry(
                {
                    "attempt": record.attempts,
                    "status": record.status.value,
                    "started_at": record.started_at,
                    "finished_at": record.finished_at,
                    "error": record.error,
                    "worker": record.worker,
                }
            )
        )
    return entries


def _entry(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        **raw,
        "started_at": to_rfc3339(raw.get("started_at")),
        "finished_at": to_rfc3339(raw.get("finished_at")),
    }
