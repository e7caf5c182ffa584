"""Requests that are held for somebody (`?wait=`), and end as soon as their key or session does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from callboard.access.principal import Principal

T = TypeVar("T")


class Holds:
    """All that are held in one web process."""

    def __init__(self) -> None:
        self._open: dict[Principal, set[asyncio.Timeout]] = {}

    async def until_ended(self, who: Principal, held: Awaitable[T]) -> T | None:
        """Return what is awaited, or None when the key or session has ended before it."""
        try:
            async with asyncio.timeout(0 if who.ended else None) as limit:
                self._open.setdefault(who, set()).add(limit)
                return await held
        except TimeoutError:
            if not limit.expired():
                raise
            return None
        finally:
            mine = self._open[who]
            mine.discard(limit)
            if not mine:
                del self._open[who]

    def end_of(self, who: Principal) -> None:
        """End what is held for a key or session that may not be used any more."""
        now = asyncio.get_running_loop().time()
        for limit in self._open.get(who, ()):
            limit.reschedule(now)
