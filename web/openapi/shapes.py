"""What answers about tasks look like. For the description only: the answers themselves are made elsewhere."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from callboard.store.operations import Action
from callboard.submit import Body as Submit
from callboard.tasks.states import Priority, State


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all shapes."""


Time = Annotated[str, Meta(examples=["2026-01-31T12:00:00.000Z"], extra_json_schema={"format": "date-time"})]
Id = Annotated[
    str, Meta(examples=["0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f"], extra_json_schema={"format": "uuid"})
]
Name = Annotated[str, Meta(examples=["reverse_text"])]
QueueName = Annotated[str, Meta(examples=["default"])]
Address = Annotated[str, Meta(examples=["/api/tasks/0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f"])]
Count = Annotated[int, Meta(ge=0, examples=[0])]
Seconds = Annotated[float, Meta(ge=0, examples=[1.5])]
Fraction = Annotated[float, Meta(ge=0, le=1, examples=[1.0])]
Text = Annotated[str, Meta(examples=["text"])]
WorkerId = Annotated[str, Meta(examples=["host:4711"])]


class FieldError(Shape):
    """One thing wrong with one field."""

    pointer: Annotated[str, Meta(description="A JSON pointer (RFC 6901).", examples=["/parameters/text"])]
    detail: Annotated[str, Meta(examples=["is required"])]


class Problem(Shape):
    """What every error looks like (RFC 9457)."""

    type: Annotated[str, Meta(description="Never changes.", examples=["/problems/validation"])]
    title: Annotated[str, Meta(examples=["The request has fields that cannot be used"])]
    status: Annotated[int, Meta(examples=[422])]
    detail: Annotated[str, Meta(examples=["/parameters/text: is required"])]
    errors: list[FieldError] | UnsetType = UNSET
    request_id: Text | UnsetType = UNSET
    #: The task that may still run although its submit was refused.
    task_id: Id | UnsetType = UNSET


class TaskError(Shape):
    """What went wrong in an attempt."""

    type: Annotated[str, Meta(examples=["ValueError"])]
    message: Text
    traceback: str | None = None


class Attempt(Shape):
    """One attempt that has ended."""

    attempt: Annotated[int, Meta(ge=1, examples=[1])]
    status: State
    started_at: Time | None
    finished_at: Time | None
    error: TaskError | None
    worker: WorkerId | None


class TaskLinks(Shape):
    """Where to go on."""

    self: Address
    cancel: Address
    retry: Address
    events: Address
    logs: Address


class Task(Shape):
    """One task."""

    task_id: Id
    task_type: Name
    status: State
    priority: Priority
    queue: QueueName
    progress: Fraction
    stage: Annotated[str | None, Meta(description="The task's own word for what it does.")]
    parameters: Annotated[dict[str, Any], Meta(examples=[{"text": "stressed"}])]
    result: Annotated[Any, Meta(description="What it returned.", examples=["desserts"])]
    error: TaskError | None
    attempts: Count
    max_retries: Count
    time_limit: Seconds
    created_at: Time
    eta: Time | None
    started_at: Time | None
    finished_at: Time | None
    worker: WorkerId | None
    tags: list[Text]
    version: Annotated[int, Meta(ge=1, description="Grows with every change; events have its numbers.")]
    history: list[Attempt]
    links: TaskLinks


class TaskList(Shape):
    """One page of tasks, newest first."""

    tasks: list[Task]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class Batch(Shape):
    """1 to 1,000 submits."""

    tasks: Annotated[list[Submit], Meta(min_length=1, max_length=1_000)]


class BatchEntry(Shape):
    """What became of one item of a batch: `task`, or `error`."""

    status: Annotated[int, Meta(examples=[202])]
    task: Task | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class BatchAnswer(Shape):
    """One entry per item, in their order."""

    tasks: list[BatchEntry]


class LogLine(Shape):
    """One line that a task logged."""

    seq: Annotated[int, Meta(ge=1, examples=[3])]
    at: Time
    level: Annotated[str, Meta(examples=["INFO"])]
    message: Text


class AttemptLog(Shape):
    """What one attempt logged."""

    attempt: Annotated[int, Meta(ge=0, examples=[1])]
    lines: list[LogLine]


class TaskLog(Shape):
    """What a task logged, by attempt."""

    task_id: Id
    attempts: list[AttemptLog]


class Refusal(Shape):
    """A task that an operation could do nothing with."""

    task_id: Id
    detail: Text


class OperationLinks(Shape):
    """Where to go on."""

    self: Annotated[str, Meta(examples=["/api/operations/0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f"])]
    cancel: Annotated[str, Meta(examples=["/api/operations/0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f/cancel"])]


class OperationShape(Shape):
    """One order for many tasks, and how far it is."""

    operation_id: Id
    action: Action
    filter: Annotated[dict[str, Any], Meta(examples=[{"status": "failed"}])]
    matched: Count
    done: Count
    changed: Count
    refused: Count
    status: Annotated[str, Meta(examples=["running"])]
    created_at: Time
    finished_at: Time | None
    errors: list[Refusal]
    links: OperationLinks


class Counted(Shape):
    """How many tasks a filter matches; nothing was done."""

    action: Action
    filter: Annotated[dict[str, Any], Meta(examples=[{"status": "failed"}])]
    matched: Count
    dry_run: bool


class OperationList(Shape):
    """The newest 50."""

    operations: list[OperationShape]


class NewestFailure(Shape):
    """The one of a group that failed last."""

    task_id: Id
    failed_at: Time | None
    message: str | None
    links: dict[str, Address]


class FailureGroup(Shape):
    """Failed tasks of one type with one type of error."""

    task_type: Name
    queue: QueueName
    error_type: str | None
    count: Count
    newest: NewestFailure
    links: dict[str, Address]


class DeadLetters(Shape):
    """What fails, grouped."""

    failed: Count
    complete: Annotated[bool, Meta(description="False: the groups count the newest failures only.")]
    groups: list[FailureGroup]


class StoredFile(Shape):
    """An upload."""

    file_id: Text
    filename: Annotated[str | None, Meta(examples=["data.csv"])]
    size: Count
    sha256: Annotated[
        str, Meta(examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
    ]
