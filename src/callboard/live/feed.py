"""One watcher's bounded queue of events, between the hub and a stream."""

import asyncio
from typing import Final

from callboard.tasks.events import Event

#: Events a watcher may be behind; then they are dropped and it reads the record again.
BEHIND_MOST: Final = 256


class FeedEnded(Exception):
    """There will be no more events; `reason` is closing (this process stops), slow or gone (the reader),
    or revoked (it may not read any more).
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class LookAgain(Exception):
    """Events have been missed, or may have been: read the record."""


class Feed:
    """For one event loop and one reader; `put` never waits."""

    __slots__ = ("_beat", "_ended", "_events", "_look_again", "_subscribed", "_waiter")

    def __init__(self) -> None:
        self._events: list[Event] = []  # a deque, even an empty one, takes 700 bytes of a watcher's 25,000
        self._waiter: asyncio.Future[None] | None = None
        self._subscribed = False
        self._look_again = False
        self._beat = False
        self._ended: str | None = None

    @property
    def ended(self) -> str | None:
        """The reason why there will be no more events, if so."""
        return self._ended

    async def subscribed(self) -> None:
        """Return once changes from now on are seen; raises FeedEnded."""
        while not self._subscribed and not self._ended:
            await self._wait()
        if self._ended:
            raise FeedEnded(self._ended)

    async def next(self) -> Event | None:
        """Return the next event, None for a heartbeat; raises LookAgain, or FeedEnded after the last one."""
        while True:
            if self._look_again and not self._ended:
                self._look_again = False
                raise LookAgain
            if self._events:
                return self._events.pop(0)
            if self._ended:
                raise FeedEnded(self._ended)
            if self._beat:
                self._beat = False
                return None
            await self._wait()

    def put(self, event: Event) -> None:
        """Add an event; too many are dropped, and the reader sent to the record, which has them."""
        if self._ended:
            return
        if len(self._events) >= BEHIND_MOST:
            self._events.clear()
            self._look_again = True
        else:
            self._events.append(event)
        self._wake()

    def tell_subscribed(self) -> None:
        """Changes are seen from now on; if they were before, some may have been missed."""
        self._look_again = self._look_again or self._subscribed
        self._subscribed = True
        self._wake()

    def beat(self) -> None:
        """Have a reader that waits for an event return with None."""
        if self._waiter is not None and self._subscribed:
            self._beat = True
            self._wake()

    def end(self, reason: str) -> None:
        """End it; what is queued is still delivered, unless the reader is gone or too slow."""
        self._ended = self._ended or reason
        if reason != "closing":
            self._events.clear()
        self._wake()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
