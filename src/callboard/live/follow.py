"""Follows one task without a gap or a repeat: subscribe → replay → live, ordered by version.

What falls between is impossible: the subscription stands before the replay is read, and what both
bring is dropped by its version. A version that is skipped sends the reader back to the replay.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from callboard.errors import TaskNotFound
from callboard.live.feed import Feed, LookAgain
from callboard.live.hub import Hub
from callboard.tasks.events import Event, Replay

#: Reads what is kept of a task after a version; the bootstrap gives it the store.
Read = Callable[[str, int], Awaitable[Replay]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Versions `first` to `last` are no longer kept."""

    task_id: str
    first: int
    last: int


async def follow(read: Read, hub: Hub, task_id: str, after: int = 0) -> AsyncIterator[Event | Gap]:
    """Yield every event after version `after`, kept and live, until the task has ended.

    Raises TaskNotFound when there is no such task, Unavailable when Redis is away at the start,
    FeedEnded when this process stops or the reader is too slow.
    """
    seen = after
    with hub.watch(task_id) as feed:
        await feed.subscribed()
        while True:
            found = await read(task_id, seen)
            if not found.status:
                raise TaskNotFound(task_id)
            for item in _in_order(task_id, found):
                yield item
            seen = max(seen, found.version)
            if found.ended:
                return
            try:
                while True:
                    event = await _newer(feed, seen)
                    if event.version != seen + 1:
                        raise LookAgain
                    yield event
                    seen = event.version
                    if event.ends:
                        return
            except LookAgain:
                continue


def _in_order(task_id: str, found: Replay) -> list[Event | Gap]:
    gap = [Gap(task_id, *found.missing)] if found.missing else []
    return [*gap, *found.events]


async def _newer(feed: Feed, seen: int) -> Event:
    while True:
        event = await feed.next()
        if event.version > seen:
            return event
