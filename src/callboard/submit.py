"""The only way a task enters: validate → record (with outbox) → publish → confirm. Top to bottom.

Answered 202 means: Redis has the record and RabbitMQ has confirmed the message. Anything less is
Unavailable (503), and the task is taken back so that it does not run behind the client's back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Meta

from callboard.errors import Conflict, FieldProblem, IdempotencyMismatch, Unavailable, ValidationFailed
from callboard.metrics.web import WebMetrics
from callboard.pressure import Pressure
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.store.scripts import Call
from callboard.tasks import message
from callboard.tasks.ids import created_ms, new_task_id
from callboard.tasks.params import convert
from callboard.tasks.record import TaskRecord
from callboard.tasks.registry import Registry
from callboard.tasks.states import Priority, State
from callboard.tasks.times import from_rfc3339, now_ms
from callboard.traces import Traces

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Seconds a task may be delayed at most: ten years.
DELAY_MOST_S: Final = 315_360_000
#: Seconds after which confirmed messages leave the outbox, gathered.
SETTLE_S: Final = 0.05

Tag = Annotated[str, Meta(min_length=1, max_length=64)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /api/tasks` takes; unknown fields are an error, so that no typo passes silently."""

    task_type: str
    parameters: dict[str, Any] = {}
    priority: Priority = Priority.NORMAL
    delay: Annotated[float, Meta(ge=0, le=DELAY_MOST_S)] | None = None
    eta: str | None = None
    max_retries: Annotated[int, Meta(ge=0, le=100)] | None = None
    time_limit: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    tags: Annotated[list[Tag], Meta(max_length=10)] = []


def validated(registry: Registry, raw: Any, task_id: str, now: int) -> TaskRecord:
    """Return the record of a decoded body as a new task; raises ValidationFailed, UnknownTaskType.

    Args:
        registry: the task types there are.
        raw: the body.
        task_id: the id it is to have.
        now: milliseconds since the epoch.
    """
    body = convert(raw, Body)
    kind = registry.get(body.task_type)
    convert(body.parameters, kind.params, "/parameters")
    due_ms = _due(body, now)
    retries = kind.max_retries if body.max_retries is None else body.max_retries
    limit_s = kind.time_limit_s if body.time_limit is None else body.time_limit
    return TaskRecord(
        task_id=task_id,
        task_type=kind.name,
        status=State.QUEUED if due_ms is None else State.SCHEDULED,
        priority=body.priority,
        queue=kind.queue,
        parameters=msgspec.Raw(msgspec.json.encode(body.parameters)),
        max_retries=retries,
        attempt_limit=retries + 1,
        time_limit_ms=max(1, int(limit_s * 1000)),
        created_at=created_ms(task_id),
        eta=due_ms,
        tags=tuple(dict.fromkeys(body.tags)),
    )


def _due(body: Body, now: int) -> int | None:
    """Return when the task is due, or None for now (a time in the past counts as now)."""
    if body.delay is not None and body.eta is not None:
        raise ValidationFailed([FieldProblem("/delay", "give either delay or eta, not both")])
    due_ms = now
    if body.delay is not None:
        due_ms = now + round(body.delay * 1000)
    elif body.eta is not None:
        try:
            due_ms = from_rfc3339(body.eta)
        except ValueError as error:
            raise ValidationFailed([FieldProblem("/eta", str(error))]) from None
        if due_ms > now + DELAY_MOST_S * 1000:
            raise ValidationFailed([FieldProblem("/eta", "is more than ten years away")])
    return due_ms if due_ms > now else None


class AsyncRunner(Protocol):
    """Runs Calls from the event loop; AsyncStore does."""

    async def run(self, call: Call[T]) -> T:
        """Return the decoded answer; raises Unavailable."""


class Publishing(Protocol):
    """Sends messages from the event loop; Publisher and the embedded one do."""

    async def publish(self, queue: str, body: bytes, level: int, message_id: str, delay_ms: int = 0) -> None:
        """Return once the message is safe; raises Unavailable."""

    def problem(self) -> str | None:
        """Return why nothing can be published now, or None."""

    def unmarked(self) -> Callable[[], Awaitable[None]] | None:
        """Return None, or, when RabbitMQ came without its data, what marks it once all is sent again."""

    def fresh(self) -> bool:
        """Tell whether RabbitMQ has been connected for a short time only."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The task as it was accepted; for a repeated Idempotency-Key, the first answer's bytes."""

    task_id: str
    record: TaskRecord | None
    replayed: bytes = b""


class Submitter:
    """Takes tasks in; one per web process, used from its event loop."""

    def __init__(
        self,
        registry: Registry,
        store: AsyncRunner,
        publisher: Publishing,
        keys: Keys,
        *,
        pressure: Pressure | None = None,
        metrics: WebMetrics | None = None,
        traces: Traces | None = None,
        clock: Callable[[], int] = now_ms,
        new_id: Callable[[], str] = new_task_id,
    ) -> None:
        self._registry = registry
        self._store = store
        self._publisher = publisher
        self._keys = keys
        self._pressure = pressure
        self._metrics = metrics
        self._traces = traces
        self._clock = clock
        self._new_id = new_id
        #: Task ids, each with the version of the record that was sent.
        self._confirmed: list[tuple[str, int]] = []
        #: Tasks a client was told have not been accepted, while Redis could not be told.
        self._to_reject: set[str] = set()
        self._settling: asyncio.Task[None] | None = None

    def validate(self, raw: Any) -> TaskRecord:
        """Return the record of a decoded body; raises ValidationFailed with every field's pointer."""
        return validated(self._registry, raw, self._new_id(), self._clock())

    def problem(self) -> str | None:
        """Return why no message can be sent now, or None."""
        return self._publisher.problem()

    async def submit(
        self, record: TaskRecord, idempotency: calls.Idempotency | None = None, by: str = ""
    ) -> Submitted:
        """Make a validated task safe, submitted by the key with the id `by`.

        Raises Unavailable (nothing was accepted), Conflict (the first request with this
        Idempotency-Key is still under way) or IdempotencyMismatch (it had another body).
        """
        if self._traces is None:
            return await self._submit(record, idempotency, by)
        with self._traces.sending(record):
            return await self._submit(record, idempotency, by)

    async def _submit(self, record: TaskRecord, idempotency: calls.Idempotency | None, by: str) -> Submitted:
        if problem := self._publisher.problem():
            raise Unavailable(problem)
        if self._pressure is not None:
            self._pressure.check(record.queue)
        try:
            created = await self._store.run(calls.create(self._keys, record, idempotency, by))
        except Unavailable as error:
            if error.nothing_done:
                raise
            self._to_reject.add(record.task_id)  # it may have been written all the same
            raise Unavailable(str(error), task_id=record.task_id) from error
        if created.kind == "replay":
            if self._metrics is not None:
                self._metrics.replayed()
            return Submitted(created.task_id, None, created.answer)
        if created.kind == "in_flight":
            raise Conflict("the first request with this Idempotency-Key is still under way; try again soon")
        if created.kind == "mismatch":
            raise IdempotencyMismatch("this Idempotency-Key was used with another body; use a new key")
        await self._publish(record)
        if idempotency is not None:  # the key is in flight until then, and its owner may ask again at once
            await self._settle_now([(record.task_id, record.version)])
        if self._metrics is not None:
            self._metrics.accepted(record)
        return Submitted(record.task_id, record)

    async def _publish(self, record: TaskRecord) -> None:
        try:
            await self.send(record)
        except Unavailable as error:
            try:
                outcome = await self._store.run(calls.reject(self._keys, record.task_id))
            except Unavailable:
                self._to_reject.add(record.task_id)
                raise Unavailable(str(error), task_id=record.task_id) from error
            if outcome != "started":  # else RabbitMQ had it, and a worker was faster than us
                raise

    async def send(self, record: TaskRecord) -> None:
        """Publish the message that runs a recorded task next, and take it off the outbox.

        Raises Unavailable. A second message for the same attempt is harmless: the claim skips it.
        """
        delay_ms = 0 if record.eta is None else max(0, record.eta - self._clock())
        envelope = message.of_record(record, record.eta if delay_ms else None)
        body = message.encode(envelope)
        await self._publisher.publish(record.queue, body, record.priority.level, record.task_id, delay_ms)
        self._confirmed.append((record.task_id, record.version))
        if self._settling is None:
            # Of no request: its log lines are about many.
            self._settling = asyncio.get_running_loop().create_task(self._settle(), context=Context())

    async def _settle(self) -> None:
        try:
            while self._confirmed:
                await asyncio.sleep(SETTLE_S)
                await self._settle_confirmed()
        finally:
            self._settling = None

    async def _settle_confirmed(self) -> None:
        while batch := self._confirmed[:1000]:
            await self._settle_now(batch)
            del self._confirmed[: len(batch)]  # not before: who closes meanwhile has to do it again

    async def _settle_now(self, sent: list[tuple[str, int]]) -> None:
        try:
            await self._store.run(calls.settle(self._keys, sent))
        except Unavailable as error:  # the reconciler publishes them once more: harmless
            logger.info("could not clear %d outbox entries: %s", len(sent), error)

    async def reject_leftovers(self) -> None:
        """Take back what clients were told was not accepted; raises Unavailable."""
        for task_id in list(self._to_reject):
            await self._store.run(calls.reject(self._keys, task_id))
            self._to_reject.discard(task_id)

    async def close(self) -> None:
        """Write what is confirmed before the process ends."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        await self._settle_confirmed()
