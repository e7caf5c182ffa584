"""The queues as operators see and steer them: what waits, how fast it moves, pause, resume, purge."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from callboard.bulk import Bulk, Order
from callboard.errors import QueueNotFound
from callboard.flow import Flow, Minute, rates
from callboard.store import queues, workers
from callboard.store.keys import Keys
from callboard.store.operations import Action, Operation
from callboard.store.pages import Filter
from callboard.store.workers import QueueEntry, WorkerEntry
from callboard.submit import AsyncRunner
from callboard.tasks.params import convert
from callboard.tasks.states import State
from callboard.tasks.times import now_ms, to_rfc3339

#: Minutes that tell how fast a queue moves: the one that has begun and the one before.
_NOW: Final = 2


class PurgeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /api/queues/{name}/purge` takes."""

    #: How many tasks the client believes that it cancels.
    expect: Annotated[int, Meta(ge=0)]
    #: Also those that wait for their time or their next attempt.
    include_delayed: bool = False


@dataclass(frozen=True, slots=True)
class Queues:
    """Reads and steers queues; one per web process."""

    store: AsyncRunner
    keys: Keys
    types_by_queue: Mapping[str, list[str]]
    flow: Flow
    bulk: Bulk

    async def all(self, minutes: int = 0) -> list[dict[str, Any]]:
        """Return every queue as the API shows it, with a history of so many minutes; raises Unavailable."""
        return await self._shown(list(self.types_by_queue), minutes)

    async def one(self, name: str, minutes: int = 0) -> dict[str, Any]:
        """Return one queue; raises QueueNotFound, Unavailable."""
        self._known(name)
        return (await self._shown([name], minutes))[0]

    async def _shown(self, names: Sequence[str], minutes: int) -> list[dict[str, Any]]:
        wanted = {name: self.types_by_queue[name] for name in names}
        entries, alive, history = await asyncio.gather(
            self.store.run(workers.queues(self.keys, wanted)),
            self.store.run(workers.live(self.keys)),
            self.flow.minutes(max(minutes, _NOW)),
        )
        shown = [_view(each, wanted[each.name], alive, history) for each in entries]
        if minutes:
            for each in shown:
                each["history"] = [_minute(one, wanted[each["name"]]) for one in history[-minutes:]]
        return shown

    async def pause(self, name: str) -> dict[str, Any]:
        """Start nothing more of a queue; what runs ends. Raises QueueNotFound, Unavailable."""
        self._known(name)
        await self.store.run(queues.pause(self.keys, name))
        return await self.one(name)

    async def resume(self, name: str) -> dict[str, Any]:
        """Start a queue's tasks again. Raises QueueNotFound, Unavailable."""
        self._known(name)
        await self.store.run(queues.resume(self.keys, name))
        return await self.one(name)

    async def purge(self, name: str, raw: Any) -> Operation:
        """Begin to cancel all tasks that wait in a queue; `raw` is the decoded body.

        Raises QueueNotFound, ValidationFailed, Conflict when they are not as many as expected (nothing has
        changed), Unavailable.
        """
        self._known(name)
        body = convert(raw, PurgeBody)
        states = (State.QUEUED, *((State.SCHEDULED, State.RETRYING) if body.include_delayed else ()))
        shown = {"queue": name, "status": [state.value for state in states]}
        wanted = Filter(queue=(name,), status=states)
        order = Order(
            action=Action.CANCEL, wanted=wanted, filter_json=msgspec.json.encode(shown), expect=body.expect
        )
        return await self.bulk.begin(order)

    def _known(self, name: str) -> None:
        if name not in self.types_by_queue:
            raise QueueNotFound(name, sorted(self.types_by_queue))


def _view(
    entry: QueueEntry, types: Sequence[str], alive: Sequence[WorkerEntry], history: Sequence[Minute]
) -> dict[str, Any]:
    at_ms = now_ms()
    serving = [each for each in alive if entry.name in each.queues]
    waited_ms = 0 if entry.waiting_since is None else at_ms - entry.waiting_since
    now = rates(history[-_NOW:], types, at_ms)
    return {
        "name": entry.name,
        "task_types": types,
        "ready": entry.ready,
        "by_priority": {"high": entry.high, "normal": entry.normal, "low": entry.low},
        "unacked": entry.running,
        "delayed": entry.scheduled + entry.retrying,
        "dead": entry.failed,
        "consumers": len(serving),
        "threads": sum(each.threads for each in serving),
        "oldest_waiting_seconds": max(0, waited_ms) / 1000,
        "rates": {"in": round(now.came, 2), "out": round(now.ended, 2)},
        "paused": entry.paused_since is not None,
        "paused_since": to_rfc3339(entry.paused_since),
    }


def _minute(minute: Minute, types: Sequence[str]) -> dict[str, Any]:
    return {
        "minute": to_rfc3339(minute.number * 60_000),
        "in": sum(minute.came.get(name, 0) for name in types),
        "out": sum(minute.ended.get(name, 0) for name in types),
    }
