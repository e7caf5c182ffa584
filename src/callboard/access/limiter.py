"""Counts the requests and tasks of keys that have a limit, in Redis, so that all web processes agree.

A busy key costs a call per round trip, or less, and not two per request: what waits for the same key is
counted together, and where many wait and much is left a slice is taken beforehand. A slice is at most 1 %
of what is left; what is not used of it within a second is given back.
"""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeVar

from callboard.access.limits import Taken
from callboard.access.principal import Principal
from callboard.errors import Unavailable
from callboard.store import limits
from callboard.store.keys import Keys
from callboard.store.limits import Grant
from callboard.submit import AsyncRunner

logger = logging.getLogger(__name__)

#: Requests and numbers of tasks in one call at most, and in one slice.
TOGETHER_MOST: Final = 500
#: A slice is so many times those who wait, and at most this part (1 %) of what is left.
SLICE: Final = 8
SLICE_PART: Final = 100
#: Seconds after which what is left of a slice is given back.
SPARE_S: Final = 1.0

T = TypeVar("T")
Answer = asyncio.Future[Taken | None]


@dataclass(slots=True)
class _Line:
    """What waits for one key, first come, first served; and what was taken for those who come next."""

    who: Principal
    requests: deque[Answer] = field(default_factory=deque)
    tasks: deque[tuple[int, Answer]] = field(default_factory=deque)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    grant: Grant | None = None
    spare_requests: int = 0
    spare_tasks: int = 0

    @property
    def waiting(self) -> bool:
        return bool(self.requests or self.tasks)

    def slices(self, requests: int, numbers: int) -> tuple[int, int]:
        """Return how many requests and tasks to take for those who come next."""
        if self.grant is None:
            return 0, 0
        left = TOGETHER_MOST if self.who.rate is None else self.grant.requests_left // SLICE_PART
        tasks_left = self.grant.tasks_left // SLICE_PART
        return (
            max(0, min(SLICE * (requests - 1), left, TOGETHER_MOST)),
            max(0, min(SLICE * (numbers - 1), tasks_left, TOGETHER_MOST)),
        )

    def taken(self, grant: Grant, refused: str | None = None) -> Taken:
        """Return what is left now, of the key and of the slice."""
        left, tasks_left = grant.requests_left + self.spare_requests, grant.tasks_left + self.spare_tasks
        return Taken(refused, left, grant.full_ms, grant.again_ms, tasks_left, grant.day_ends_ms)


class Limiter:
    """One per web process; only asked for principals that are `limited`."""

    def __init__(self, store: AsyncRunner, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._lines: dict[str, _Line] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def request(self, who: Principal) -> Taken | None:
        """Take one request; None when nobody can count now, and then it may pass."""
        line = self._line(who)
        if line.spare_requests and line.grant:
            line.spare_requests -= 1
            return line.taken(line.grant)
        answer: Answer = asyncio.get_running_loop().create_future()
        line.requests.append(answer)
        line.came.set()
        return await answer

    async def tasks(self, who: Principal, number: int) -> Taken | None:
        """Take so many tasks out of the day's quota, or none; None when nobody can count now."""
        line = self._line(who)
        if line.spare_tasks >= number and line.grant:
            line.spare_tasks -= number
            return line.taken(line.grant)
        answer: Answer = asyncio.get_running_loop().create_future()
        line.tasks.append((number, answer))
        line.came.set()
        return await answer

    async def give_back(self, who: Principal, tasks: int, requests: int = 0) -> None:
        """Give back tasks that were not accepted after all, and requests that nobody sent."""
        try:
            await self._store.run(limits.give_back(self._keys, who.key_id, tasks, requests))
        except Unavailable as error:
            logger.info("%d tasks of %s are counted and were not accepted: %s", tasks, who.name, error)

    async def close(self) -> None:
        """Give back what was taken beforehand."""
        for each in self._working:
            each.cancel()
        if self._working:
            await asyncio.wait(list(self._working))
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            for answer in (*line.requests, *(each for _, each in line.tasks)):
                answer.cancel()
            await self._give_back_spare(line)

    def _line(self, who: Principal) -> _Line:
        line = self._lines.get(who.key_id)
        if line is None:
            line = self._lines[who.key_id] = _Line(who)
            work = asyncio.get_running_loop().create_task(self._serve(line))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
        return line

    async def _serve(self, line: _Line) -> None:
        came = True
        while came or line.waiting:
            line.came.clear()
            if line.waiting:
                if line.tasks and line.spare_tasks:  # too small for them, but perhaps the rest of the quota
                    await self._give_back_spare(line)
                await self._take(line)
            came = False
            with contextlib.suppress(TimeoutError):
                came = line.waiting or await asyncio.wait_for(line.came.wait(), SPARE_S)
            if not came:
                await self._give_back_spare(line)
        del self._lines[line.who.key_id]

    async def _take(self, line: _Line) -> None:
        """Take what those ask for who wait now, and answer them."""
        who, requests, tasks = line.who, _first(line.requests), _first(line.tasks)
        more_requests, more_tasks = line.slices(len(requests), len(tasks))
        rate = (who.rate.count, who.rate.seconds) if who.rate else (0, 1)
        numbers = [number for number, _ in tasks] + [more_tasks] * (more_tasks > 0)
        wanted = len(requests) + more_requests
        call = limits.take(self._keys, who.key_id, rate, wanted, who.quota or 0, numbers)
        answers = [*requests, *(answer for _, answer in tasks)]
        try:
            _deal(line, await self._store.run(call), requests, tasks)
        except Unavailable as error:
            logger.info("the limits of %s are not counted: %s", who.name, error)
            for each in answers:
                if not each.done():
                    each.set_result(None)
        except Exception as error:  # noqa: BLE001 - a bug of ours: its callers raise it
            for each in answers:
                if not each.done():
                    each.set_exception(error)
        finally:
            for each in answers:
                each.cancel()  # only when this process ends is there one left

    async def _give_back_spare(self, line: _Line) -> None:
        requests, line.spare_requests = line.spare_requests, 0
        tasks, line.spare_tasks = line.spare_tasks, 0
        if tasks or (requests and line.who.rate):
            await self.give_back(line.who, tasks, requests if line.who.rate else 0)


def _first(waiting: deque[T]) -> list[T]:
    return [waiting.popleft() for _ in range(min(len(waiting), TOGETHER_MOST))]


def _deal(line: _Line, grant: Grant, requests: list[Answer], tasks: list[tuple[int, Answer]]) -> None:
    """Answer those who waited, in their order, then who has come meanwhile; the rest is the slice.

    What was taken for somebody who has gone stays in the slice.
    """
    line.grant = grant
    line.spare_requests += grant.requests
    line.spare_tasks += grant.sum_of_tasks
    for each in requests:
        if not each.done():
            passed = line.spare_requests > 0
            line.spare_requests -= passed
            each.set_result(line.taken(grant, None if passed else "rate"))
    for (number, each), passed in zip(tasks, grant.tasks, strict=False):  # the slice has no one waiting
        if not each.done():
            line.spare_tasks -= number if passed else 0
            each.set_result(line.taken(grant, None if passed else "quota"))
    while line.requests and line.spare_requests:
        each = line.requests.popleft()
        if not each.done():
            line.spare_requests -= 1
            each.set_result(line.taken(grant))
