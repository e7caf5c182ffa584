"""One watcher's bounded queue of events, between the hub and a stream."""

import asyncio
from collections import deque
from typing import Final

from callboard.tasks.events import Event

#: Events a watcher may be behind; then it is cut and has to resume.
BEHIND_MOST: Final = 256


class FeedEnded(Exception):
    """There will be no more events; `reason` is closing or slow."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class LookAgain(Exception):
    """Events may have been missed while the connection to Redis was broken: read the record."""


class Feed:
    """For one event loop; `put` never waits."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._look_again = False
        self._ended: str | None = None

    async def subscribed(self) -> None:
        """Return once changes from now on are seen; raises FeedEnded."""
        await self._subscribed.wait()
        if self._ended:
            raise FeedEnded(self._ended)

    async def next(self) -> Event:
        """Return the next event; raises LookAgain, or FeedEnded after the last one."""
        while not self._events:
            if self._ended:
                raise FeedEnded(self._ended)
            if self._look_again:
                self._look_again = False
                raise LookAgain
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def put(self, event: Event) -> None:
        """Add an event; a feed that is too far behind ends instead."""
        if self._ended:
            return
        if len(self._events) >= BEHIND_MOST:
            self._events.clear()
            self.end("slow")
        else:
            self._events.append(event)
            self._arrived.set()

    def tell_subscribed(self) -> None:
        """Changes are seen from now on; if they were before, some may have been missed."""
        self._look_again = self._look_again or self._subscribed.is_set()
        self._subscribed.set()
        self._arrived.set()

    def end(self, reason: str) -> None:
        """End it; what is queued is still delivered."""
        self._ended = self._ended or reason
        self._subscribed.set()
        self._arrived.set()
