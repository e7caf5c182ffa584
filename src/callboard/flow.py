"""How many tasks come in and end, minute by minute and type by type; Queues and Health ask.

Nothing is counted for it when a task is submitted: what came in is read from the indexes, whose ids are
times, and what ended from the statistics that conclude.lua keeps.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callboard.store import queues, stats
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner
from callboard.tasks.times import now_ms

#: Minutes that can be asked for.
MINUTES_MOST: Final = 60
#: A minute that is so far in the past does not change any more, whatever the clocks say.
SETTLED: Final = 3
#: How a run ends with which its task leaves the queue for good.
_ENDS: Final = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Minute:
    """What came in and what ended within one minute (counted since the epoch), by task type."""

    number: int
    came: Mapping[str, int]
    ended: Mapping[str, int]
    #: Those of the ended ones that failed.
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rates:
    """Tasks per second."""

    came: float
    ended: float


class Flow:
    """Reads minutes and keeps the settled ones; one per web process."""

    def __init__(self, store: AsyncRunner, keys: Keys, types: Sequence[str]) -> None:
        self._store = store
        self._keys = keys
        self._types = list(types)
        self._settled: dict[int, Minute] = {}

    async def minutes(self, number: int) -> list[Minute]:
        """Return the last `number` minutes, oldest first; the last one has only begun. Raises Unavailable."""
        current = now_ms() // 60_000
        wanted = range(current - number + 1, current + 1)
        found = await asyncio.gather(*(self._minute(each) for each in wanted))
        kept = range(current - MINUTES_MOST, current - SETTLED)
        for each in found:
            if each.number in kept:
                self._settled[each.number] = each
        for old in [each for each in self._settled if each not in kept]:
            self._settled.pop(old, None)
        return found

    async def _minute(self, number: int) -> Minute:
        if number in self._settled:
            return self._settled[number]
        begin_ms = number * 60_000
        came, found = await asyncio.gather(
            self._store.run(queues.arrivals(self._keys, self._types, begin_ms, begin_ms + 60_000)),
            self._store.run(stats.minute(self._keys, number)),
        )
        ended = {name: sum(each.outcomes[end] for end in _ENDS) for name, each in found.items()}
        failed = {name: each.outcomes["failed"] for name, each in found.items()}
        return Minute(number, came, ended, failed)


def rates(minutes: Sequence[Minute], types: Sequence[str], at_ms: int) -> Rates:
    """Return the rates of some types over the time of all `minutes` (2 or more) but one.

    The first minute counts for the part that the last one, which has only begun, still lacks.
    """
    part = min(1.0, max(0.0, (at_ms - minutes[-1].number * 60_000) / 60_000))
    window_s = 60 * (len(minutes) - 1)

    def rate(of: Sequence[Mapping[str, int]]) -> float:
        numbers = [sum(each.get(name, 0) for name in types) for each in of]
        return (numbers[0] * (1 - part) + sum(numbers[1:])) / window_s

    return Rates(rate([each.came for each in minutes]), rate([each.ended for each in minutes]))
