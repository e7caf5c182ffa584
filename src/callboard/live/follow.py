"""Follows one task without a gap or a repeat: subscribe → replay → live, ordered by version.

What falls between is impossible: the subscription stands before the replay is read, and what both
bring is dropped by its version. A version that is skipped sends the reader back to the replay.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from callboard.errors import TaskNotFound
from callboard.live.feed import Feed, LookAgain
from callboard.tasks.events import Event, Replay

#: Reads what is kept of a task after a version; the bootstrap gives it the store.
Read = Callable[[str, int], Awaitable[Replay]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Versions `first` to `last` are no longer kept."""

    task_id: str
    first: int
    last: int


async def follow(
    read: Read, feed: Feed, task_id: str, after: int = 0
) -> AsyncGenerator[Event | Gap | None, None]:
    """Yield every event after version `after`, kept and live, until the task has ended.

    None is a heartbeat (see Feed.beat). A position the task has not reached yet counts as its present one.
    Raises TaskNotFound when there is no such task, Unavailable when Redis is away at the start,
    FeedEnded when this process stops or the reader is too slow.
    """
    seen = after
    await feed.subscribed()
    while True:
        found = await read(task_id, seen)
        if not found.status:
            raise TaskNotFound(task_id)
        for item in _in_order(task_id, found):
            yield item
        seen, more, ended = found.upto, found.upto < found.version, found.ended
        del found  # it would be held as long as the stream
        if more:
            continue
        if ended:
            return
        try:
            while True:
                event = await feed.next()
                if event is None:
                    yield None
                elif event.version > seen + 1:
                    break
                elif event.version > seen:
                    yield event
                    seen = event.version
                    if event.ends:
                        return
        except LookAgain:
            continue


def _in_order(task_id: str, found: Replay) -> Iterator[Event | Gap]:
    """Yield what is kept, and a gap in the place of each run that is not."""
    missing = iter(found.missing)
    hole = next(missing, None)
    for event in found.events:
        if hole is not None and hole[0] < event.version:
            yield Gap(task_id, *hole)
            hole = next(missing, None)
        yield event
    if hole is not None:
        yield Gap(task_id, *hole)
