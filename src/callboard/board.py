"""What can be done with tasks that have been accepted: read, list, cancel, retry, delete, wait.

The web resources call this; every answer is a record or an error of errors.py.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.errors import Conflict, TaskNotFound, Unavailable
from callboard.live.feed import Feed, FeedEnded, LookAgain
from callboard.live.follow import Gap, follow
from callboard.live.hub import Hub
from callboard.store import calls, pages, workers
from callboard.store.keys import Keys
from callboard.store.replay import replay
from callboard.submit import AsyncRunner, Submitter
from callboard.tasks.events import Event, Replay
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import State

logger = logging.getLogger(__name__)

#: Seconds a request may be held until its task ends.
WAIT_MOST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Board:
    """Reads and steers tasks; one per web process."""

    store: AsyncRunner
    keys: Keys
    submitter: Submitter
    hub: Hub
    result_ttl_s: int

    async def get(self, task_id: str) -> TaskRecord:
        """Return a task; raises TaskNotFound."""
        record = await self.store.run(calls.read(self.keys, task_id))
        if record is None:
            raise TaskNotFound(task_id)
        return record

    async def wait(self, task_id: str, seconds: float) -> TaskRecord:
        """Return the task once it has ended, or as it stands after `seconds`; raises TaskNotFound."""
        record = await self.get(task_id)
        if record.terminal or seconds <= 0:
            return record
        with self.hub.watch(task_id) as feed:
            try:
                async with asyncio.timeout(min(seconds, WAIT_MOST_S)):
                    await feed.subscribed()
                    record = await self.get(task_id)
                    while not record.terminal:
                        await _next_end(feed)
                        record = await self.get(task_id)
            except (TimeoutError, FeedEnded):
                return await self.get(task_id)
        return record

    def follow(self, feed: Feed, task_id: str, after: int) -> AsyncGenerator[Event | Gap | None, None]:
        """Yield the task's events after version `after` until it has ended (see live/follow.py).

        `feed` is what `hub.watch(task_id)` gave.
        """
        return follow(self._replay, feed, task_id, after)

    async def _replay(self, task_id: str, after: int) -> Replay:
        return await self.store.run(replay(self.keys, task_id, after))

    async def page(self, wanted: pages.Filter, limit: int, cursor: str | None) -> pages.Page:
        """Return one page of tasks, newest first; raises ValidationFailed for a bad cursor."""
        known = await self.store.run(pages.known_types(self.keys))
        return await self.store.run(pages.page(self.keys, wanted, known, limit, cursor))

    async def logs(self, task_id: str) -> list[dict[str, Any]]:
        """Return the task's log lines, oldest first; raises TaskNotFound."""
        await self.get(task_id)
        lines = await self.store.run(calls.read_log(self.keys, task_id))
        return [msgspec.json.decode(line) for line in lines]

    async def cancel(self, task_id: str) -> TaskRecord:
        """Cancel a task; a running one is asked to stop. Raises TaskNotFound, Conflict."""
        outcome, status = await self.store.run(calls.cancel(self.keys, task_id, self.result_ttl_s))
        if outcome == "absent":
            raise TaskNotFound(task_id)
        if outcome == "refused":
            raise Conflict(f"the task has already ended: it is {status}")
        return await self.get(task_id)

    async def retry(self, task_id: str) -> TaskRecord:
        """Run a failed or cancelled task again; raises TaskNotFound, Conflict."""
        outcome, status = await self.store.run(calls.requeue(self.keys, task_id))
        if outcome == "absent":
            raise TaskNotFound(task_id)
        if outcome == "refused":
            raise Conflict(f"only failed or cancelled tasks can be retried; this one is {status}")
        record = await self.get(task_id)
        try:
            await self.submitter.send(record)
        except Unavailable as error:  # it stands in the outbox: the reconciler sends it
            logger.warning("task %s is queued again and will be sent later: %s", task_id, error)
        return record

    async def delete(self, task_id: str) -> None:
        """Forget a finished task; raises TaskNotFound, Conflict."""
        outcome, status = await self.store.run(calls.forget(self.keys, task_id))
        if outcome == "absent":
            raise TaskNotFound(task_id)
        if outcome == "refused":
            raise Conflict(f"only finished tasks can be deleted; this one is {status}; cancel it first")

    async def counts(self) -> dict[str, int]:
        """Return how many tasks are in each state."""
        found = dict.fromkeys((state.value for state in State), 0)
        for _, state, number in await self.store.run(calls.counts(self.keys)):
            found[state.value] += number
        return found

    async def workers(self) -> list[workers.WorkerEntry]:
        """Return the workers whose heart beats."""
        return await self.store.run(workers.live(self.keys))


async def _next_end(feed: Feed) -> None:
    """Return when the task has ended, or when it is worth looking."""
    try:
        while (event := await feed.next()) is None or not event.ends:
            pass
    except LookAgain:
        return
