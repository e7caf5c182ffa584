"""What answers about the installation look like: types, queues, workers, statistics, keys, audit trail."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from callboard.access.roles import Role
from callboard.health.problem import Severity
from callboard.tasks.states import Priority, State
from web.openapi.shapes import Count, Id, Name, QueueName, Seconds, Shape, Text, Time, WorkerId


class TypeDefaults(Shape):
    """What applies where a submit does not say otherwise."""

    priority: Priority
    max_retries: Count
    time_limit: Seconds


class TaskType(Shape):
    """A kind of task that can be submitted."""

    name: Name
    description: Text
    queue: QueueName
    defaults: TypeDefaults
    schema: Annotated[dict[str, Any], Meta(description="JSON Schema (2020-12) of its parameters.")]
    example: Annotated[dict[str, Any], Meta(description="A body for POST /api/tasks.")]


class TaskTypes(Shape):
    """All of them."""

    task_types: list[TaskType]


class ByPriority(Shape):
    """How many wait, by priority."""

    high: Count
    normal: Count
    low: Count


class Rates(Shape):
    """Tasks per second."""

    came: Annotated[float, Meta(ge=0, examples=[1.5])] = msgspec.field(name="in")
    out: Annotated[float, Meta(ge=0, examples=[1.5])]


class QueueMinute(Shape):
    """What came and what ended within one minute."""

    minute: Time
    came: Count = msgspec.field(name="in")
    out: Count


class Queue(Shape):
    """One queue."""

    name: QueueName
    task_types: list[Name]
    ready: Count
    by_priority: ByPriority
    unacked: Annotated[int, Meta(ge=0, description="Tasks that run.")]
    delayed: Count
    dead: Annotated[int, Meta(ge=0, description="Tasks that have failed.")]
    consumers: Annotated[int, Meta(ge=0, description="Workers that serve it.")]
    threads: Count
    oldest_waiting_seconds: Seconds
    rates: Rates
    paused: bool
    paused_since: Time | None
    history: list[QueueMinute] | UnsetType = UNSET


class Queues(Shape):
    """All of them."""

    queues: list[Queue]


class Worker(Shape):
    """One worker process whose heart beats."""

    id: WorkerId
    host: Annotated[str, Meta(examples=["host"])]
    pid: Count
    queues: list[QueueName]
    threads: Count
    running: list[Id]
    started_at: Time
    last_heartbeat: Time
    cpu_percent: Annotated[float, Meta(ge=0, examples=[3.5])]
    memory_bytes: Count
    done: Count
    failed: Count


class Workers(Shape):
    """All of them."""

    workers: list[Worker]


class Percentiles(Shape):
    """Seconds; null where there is nothing to measure."""

    p50: Seconds | None
    p95: Seconds | None
    p99: Seconds | None


class TypeStats(Shape):
    """How runs ended and how long they took and waited."""

    succeeded: Count
    failed: Count
    cancelled: Count
    retrying: Count
    run: Percentiles
    wait: Percentiles


class MinuteStats(TypeStats):
    """The same, of one minute."""

    minute: Time


class Stats(Shape):
    """Counts by state, and what ended in the last minutes."""

    counts: Annotated[dict[State, int], Meta(examples=[{state.value: 0 for state in State}])]
    minutes: list[MinuteStats]
    types: dict[str, TypeStats]


class Key(Shape):
    """An API key, without its text."""

    id: Annotated[str, Meta(examples=["9f86d081884c7d65"])]
    name: Annotated[str, Meta(examples=["billing"])]
    role: Role
    created_at: Time | None
    last_used: Time | None
    expires_at: Time | None
    rate: Annotated[str | None, Meta(examples=["100/s"])]
    quota: Annotated[int | None, Meta(description="Tasks per day.", examples=[10_000])]
    source: Annotated[str, Meta(description="`stored` or `settings`.", examples=["stored"])]


class NewKey(Key):
    """A key that was just made."""

    key: Annotated[str, Meta(description="Its text, shown this once.", examples=["cb_…"])]


class Keys(Shape):
    """All of them."""

    keys: list[Key]


class AuditEntry(Shape):
    """One thing somebody did or tried."""

    id: Id
    at: Time
    actor: Annotated[str, Meta(examples=["billing"])]
    key_id: str | None
    action: Annotated[str, Meta(examples=["task.cancel"])]
    target: str | None
    client: str | None
    request_id: str | None
    status: Annotated[int | None, Meta(examples=[200])]


class AuditPage(Shape):
    """Entries, the newest first."""

    entries: list[AuditEntry]
    next: str | None


class WhoAmI(Shape):
    """Whose key or session this is, and what it may do."""

    name: Annotated[str, Meta(examples=["billing"])]
    role: Role
    grants: list[Role]
    key_id: str | None
    by: Annotated[str | None, Meta(description="`key` or `session`.", examples=["key"])]
    rate: str | None
    quota: int | None
    ends_at: Time | None
    authentication: Annotated[str, Meta(description="`required` or `off`.", examples=["required"])]


class Live(Shape):
    """The process lives."""

    status: Annotated[str, Meta(examples=["ok"])]


class ServerState(Shape):
    """Whether a server answers."""

    ok: bool
    problem: Text | UnsetType = UNSET


class Ready(Shape):
    """Whether tasks can be taken in."""

    rabbitmq: ServerState
    redis: ServerState
    status: Annotated[str, Meta(examples=["ready"])]


class HealthProblem(Shape):
    """One thing that is wrong."""

    id: Annotated[str, Meta(examples=["no-workers"])]
    severity: Severity
    title: Text
    detail: Text
    what_to_do: Text
    since: Time | None


class Health(Shape):
    """What is wrong, the worst first."""

    status: Annotated[str, Meta(description="`ok`, `degraded` or `critical`.", examples=["ok"])]
    checked_at: Time
    problems: list[HealthProblem]
    not_checked: list[Text]
