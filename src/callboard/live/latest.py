"""A feed for dashboards: the last change of each task, however many there were."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from callboard.live.feed import Feed
from callboard.tasks.events import Event

#: Tasks with a change that is not taken yet; beyond them the reader is told to look again.
TASKS_MOST: Final = 5_000


class Latest(Feed):
    """Keeps one event per task; `wanted` says which count. Log lines do not.

    A state is never hidden by progress that came after it: the newer event says then that it is a state.
    """

    __slots__ = ("_latest", "_wanted")

    def __init__(self, wanted: Callable[[Event], bool]) -> None:
        super().__init__()
        self._wanted = wanted
        self._latest: dict[str, Event] = {}

    def put(self, event: Event) -> None:
        """Take an event in place of an earlier one of its task."""
        if self._ended or event.kind == "log" or not self._wanted(event):
            return
        earlier = self._latest.pop(event.task_id, None)
        if earlier is not None and earlier.kind == "state" and event.kind != "state":
            event = msgspec.structs.replace(event, kind="state")
        if len(self._latest) >= TASKS_MOST:
            self._latest.clear()
            self._look_again = True
        self._latest[event.task_id] = event
        self._events.clear()
        self._events.append(event)  # what `next` returns only says that there is something to take
        self._wake()

    async def changes(self, not_before: float) -> list[Event]:
        """Return the changed tasks, oldest change first, not before that time of the loop.

        Empty for a heartbeat; raises LookAgain when some have been missed, and FeedEnded.
        """
        if await self.next() is None:
            return []
        pause_s = not_before - asyncio.get_running_loop().time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        found, self._latest = list(self._latest.values()), {}
        self._events.clear()
        return found
