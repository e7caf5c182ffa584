"""One order for many tasks: `POST /api/tasks/bulk`. Which tasks is settled first, then they are done.

`begin` walks the filter once and puts the ids it finds aside, so that the count it answers is the number
of tasks that are then done, neither more nor other ones; carry_out.py does them in the background.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from callboard.errors import Conflict, FieldProblem, OperationNotFound, Unavailable, ValidationFailed
from callboard.store import operations, pages
from callboard.store.keys import Keys
from callboard.store.operations import CHUNK, Action, Operation
from callboard.store.pages import Filter
from callboard.store.scripts import Call
from callboard.submit import AsyncRunner
from callboard.tasks.ids import new_task_id
from callboard.tasks.params import convert
from callboard.tasks.states import TERMINAL, Priority, State
from callboard.tasks.times import from_rfc3339, now_ms

T = TypeVar("T")

#: Tasks one look of a walk takes in: it holds Redis for about 2 ms.
LOOK: Final = 1_000
#: Tasks of one operation at most.
TASKS_MOST: Final = 1_000_000
#: Milliseconds by which clocks may differ when it is asked which records can have expired.
MARGIN_MS: Final = 60_000
#: Seconds between looks at an operation that somebody waits for.
LOOK_AGAIN_S: Final = 0.2

Values = str | Annotated[list[str], Meta(min_length=1, max_length=100)]


class FilterBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The list's query as JSON; each is one value or a list of them."""

    status: Values | None = None
    type: Values | None = None
    priority: Values | None = None
    queue: Values | None = None
    tag: Values | None = None
    created_after: Values | None = None
    created_before: Values | None = None


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /api/tasks/bulk` takes."""

    action: str
    filter: FilterBody = msgspec.field(default_factory=FilterBody)
    expect: Annotated[int, Meta(ge=0)] | None = None
    all: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid order; `filter_json` is the filter as its client wrote it."""

    action: Action
    wanted: Filter
    filter_json: bytes
    expect: int | None = None
    dry_run: bool = False


def order_of(raw: Any) -> Order:
    """Return the order of a decoded body; raises ValidationFailed with the field's pointer."""
    body = convert(raw, Body)
    given = body.filter
    wanted = Filter(
        status=_each(given.status, "status", State),
        types=tuple(_values(given.type)),
        priority=_each(given.priority, "priority", Priority),
        queue=tuple(_values(given.queue)),
        tag=tuple(_values(given.tag)),
        created_after_ms=_time(given.created_after, "created_after"),
        created_before_ms=_time(given.created_before, "created_before"),
    )
    if wanted == Filter() and not body.all:
        detail = 'is empty, which means every task there is; add "all": true if you mean that'
        raise ValidationFailed([FieldProblem("/filter", detail)])
    return Order(
        action=_one(body.action, "/action", Action),
        wanted=wanted,
        filter_json=msgspec.json.encode(raw.get("filter", {})),
        expect=body.expect,
        dry_run=body.dry_run,
    )


def _values(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _one(text: str, pointer: str, kind: type[T]) -> T:
    try:
        return kind(text)  # type: ignore[call-arg]
    except ValueError:
        known = ", ".join(str(each) for each in kind)  # type: ignore[attr-defined]
        raise ValidationFailed([FieldProblem(pointer, f"{text[:40]!r} is none of {known}")]) from None


def _each(given: str | list[str] | None, name: str, kind: type[T]) -> tuple[T, ...]:
    if isinstance(given, list):
        return tuple(_one(text, f"/filter/{name}/{n}", kind) for n, text in enumerate(given))
    return tuple(_one(text, f"/filter/{name}", kind) for text in _values(given))


def _time(given: str | list[str] | None, name: str) -> int | None:
    found = _values(given)
    try:
        if len(found) > 1:
            raise ValueError("is one time, not several")
        return from_rfc3339(found[0]) if found else None
    except ValueError as error:
        raise ValidationFailed([FieldProblem(f"/filter/{name}", str(error))]) from None


class Bulk:
    """Begins operations and reads how they stand; one per web process."""

    def __init__(
        self,
        store: AsyncRunner,
        keys: Keys,
        result_ttl_s: int,
        begun: Callable[[], None],
        clock: Callable[[], int] = now_ms,
        new_id: Callable[[], str] = new_task_id,
    ) -> None:
        self._store = store
        self._keys = keys
        self._result_ttl_s = result_ttl_s
        #: Called when there is something to carry out.
        self._begun = begun
        self._clock = clock
        self._new_id = new_id

    async def count(self, wanted: Filter) -> int:
        """Return how many tasks fit; raises Unavailable.

        Where the indexes alone give the answer nothing is walked, except for tasks so old that their
        records may have expired since the indexes were last trimmed.
        """
        known = await self._store.run(pages.known_types(self._keys))
        indexes = pages.exact_indexes(self._keys, wanted, known)
        if indexes is None:
            return await self._walked(wanted, known)
        old_ms = 0
        if not wanted.status or TERMINAL.intersection(wanted.status):
            old_ms = self._clock() - self._result_ttl_s * 1000 + MARGIN_MS
        young = replace(wanted, created_after_ms=max(wanted.created_after_ms or 0, old_ms) or None)
        bounds = pages.bounds(young)
        numbers = await asyncio.gather(
            *(self._store.run(Call(int, ["ZLEXCOUNT", index, *bounds])) for index in indexes)
        )
        if old_ms and old_ms > (wanted.created_after_ms or 0):
            before_ms = old_ms if wanted.created_before_ms is None else wanted.created_before_ms
            old = replace(wanted, created_before_ms=min(old_ms, before_ms))
            return sum(numbers) + await self._walked(old, known)
        return sum(numbers)

    async def _walked(self, wanted: Filter, known: list[str]) -> int:
        return sum([len(ids) async for ids in self._walk(wanted, known)])

    async def _walk(self, wanted: Filter, known: list[str]) -> AsyncIterator[list[str]]:
        """Find the ids of all tasks that fit, newest first, in lists of up to LOOK."""
        after: str | None = None
        while True:
            ids, after = await self._store.run(pages.ids(self._keys, wanted, known, after, LOOK))
            if ids:
                yield ids
            if after is None:
                return

    async def begin(self, order: Order) -> Operation:
        """Settle which tasks are meant and begin.

        Raises Conflict (nothing has changed) when they are not as many as expected, more than one
        operation may have, or too many operations run; Unavailable.
        """
        operation_id = self._new_id()
        try:
            matched, chunks = await self._put_aside(order.wanted, operation_id)
            if order.expect is not None and order.expect != matched:
                raise Conflict(
                    f"{matched} tasks match the filter, not the {order.expect} expected; nothing was changed"
                )
            if await self._record(operation_id, order, (matched, chunks)) == "full":
                raise Conflict(f"{operations.RUNNING_MOST} operations run already; let some of them end")
        except Conflict:
            await self._store.run(operations.drop_chunks(self._keys, operation_id))
            raise
        if matched:
            self._begun()
        return await self.get(operation_id)

    async def _record(self, operation_id: str, order: Order, counted: tuple[int, int]) -> str:
        states = order.wanted.status
        call = operations.begin(self._keys, operation_id, order.action, order.filter_json, states, counted)
        try:
            return await self._store.run(call)
        except Unavailable as error:
            if error.nothing_done:
                raise
            where = f"/api/operations/{operation_id}"
            raise Unavailable(f"{error}; it may have begun all the same, see {where}") from error

    async def _put_aside(self, wanted: Filter, operation_id: str) -> tuple[int, int]:
        """Keep the ids of all tasks that fit in chunks; answers how many tasks and chunks.

        Steps go from the last chunk to the first and every chunk is turned round: oldest tasks first.
        """
        known = await self._store.run(pages.known_types(self._keys))
        matched = chunks = 0
        rest: list[str] = []

        async def put(ids: list[str]) -> None:
            nonlocal chunks
            parts = [ids[start : start + CHUNK][::-1] for start in range(0, len(ids), CHUNK)]
            if parts:
                numbered = dict(enumerate(parts, chunks))
                calls = operations.put_chunks(self._keys, operation_id, numbered)
                await asyncio.gather(*(self._store.run(call) for call in calls))
            chunks += len(parts)

        async for ids in self._walk(wanted, known):
            matched += len(ids)
            if matched > TASKS_MOST:
                raise Conflict(
                    f"more than {TASKS_MOST:,} tasks match the filter; narrow it, for example with "
                    "created_before; nothing was changed"
                )
            rest += ids
            whole = len(rest) - len(rest) % CHUNK
            await put(rest[:whole])
            rest = rest[whole:]
        await put(rest)
        return matched, chunks

    async def get(self, operation_id: str) -> Operation:
        """Return an operation; raises OperationNotFound, Unavailable."""
        found = await self._store.run(operations.read(self._keys, operation_id))
        if found is None:
            raise OperationNotFound(operation_id)
        return found

    async def wait(self, operation_id: str, seconds: float) -> Operation:
        """Return the operation once it has ended, or as it stands after `seconds`; raises as `get`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        found = await self.get(operation_id)
        while found.running and (left_s := until - loop.time()) > 0:
            await asyncio.sleep(min(LOOK_AGAIN_S, left_s))
            found = await self.get(operation_id)
        return found

    async def newest(self) -> list[Operation]:
        """Return the newest operations, newest first; raises Unavailable."""
        return await self._store.run(operations.newest(self._keys))

    async def cancel(self, operation_id: str) -> Operation:
        """Stop an operation; what it has done stays done. Raises Conflict, and as `get`."""
        outcome, status = await self._store.run(operations.cancel(self._keys, operation_id))
        if outcome == "refused":
            raise Conflict(f"the operation has already ended: it is {status}")
        return await self.get(operation_id)
