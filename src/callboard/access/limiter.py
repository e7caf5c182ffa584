"""Counts the requests and tasks of keys that have a limit, in Redis, so that all web processes agree.

What waits for the same key is counted together: while one call is under way the next requests gather, so
that a busy key costs a call per round trip and not two per request.
"""

import asyncio
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
from callboard.store.scripts import Call
from callboard.submit import AsyncRunner

logger = logging.getLogger(__name__)

#: Requests and numbers of tasks in one call at most.
TOGETHER_MOST: Final = 500
T = TypeVar("T")
Answer = asyncio.Future[Taken | None]


@dataclass(slots=True)
class _Line:
    """What waits for one key, first come, first served."""

    who: Principal
    requests: deque[Answer] = field(default_factory=deque)
    tasks: deque[tuple[int, Answer]] = field(default_factory=deque)


class Limiter:
    """One per web process; only asked for principals that are `limited`."""

    def __init__(self, store: AsyncRunner, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._lines: dict[str, _Line] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def request(self, who: Principal) -> Taken | None:
        """Take one request; None when nobody can count now, and then it may pass."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._line(who).requests.append(answer)
        return await answer

    async def tasks(self, who: Principal, number: int) -> Taken | None:
        """Take so many tasks out of the day's quota, or none; None when nobody can count now."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._line(who).tasks.append((number, answer))
        return await answer

    async def give_back(self, who: Principal, tasks: int) -> None:
        """Give back tasks that were not accepted after all."""
        try:
            await self._store.run(limits.give_back(self._keys, who.key_id, tasks))
        except Unavailable as error:
            logger.info("%d tasks of %s are counted and were not accepted: %s", tasks, who.name, error)

    def _line(self, who: Principal) -> _Line:
        line = self._lines.get(who.key_id)
        if line is None:
            line = self._lines[who.key_id] = _Line(who)
            work = asyncio.get_running_loop().create_task(self._serve(line))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
        return line

    async def _serve(self, line: _Line) -> None:
        batch: list[Answer] = []
        try:
            while line.requests or line.tasks:
                requests, tasks = _first(line.requests), _first(line.tasks)
                batch = [*requests, *(answer for _, answer in tasks)]
                try:
                    grant = await self._store.run(self._call(line.who, len(requests), tasks))
                except Unavailable as error:
                    logger.info("the limits of %s are not counted: %s", line.who.name, error)
                    for each in batch:
                        _tell(each, None)
                    continue
                except Exception as error:  # noqa: BLE001 - a bug of ours: its callers raise it
                    for each in batch:
                        if not each.done():
                            each.set_exception(error)
                    continue
                _tell_requests(requests, grant)
                unused = _tell_tasks(tasks, grant)
                if unused:
                    await self.give_back(line.who, unused)
        finally:
            del self._lines[line.who.key_id]
            for each in (*batch, *line.requests, *(answer for _, answer in line.tasks)):
                each.cancel()  # nobody waits here unless this process ends

    def _call(self, who: Principal, requests: int, tasks: list[tuple[int, Answer]]) -> Call[Grant]:
        rate = (who.rate.count, who.rate.seconds) if who.rate else (0, 1)
        numbers = [number for number, _ in tasks]
        return limits.take(self._keys, who.key_id, rate, requests, who.quota or 0, numbers)


def _first(waiting: deque[T]) -> list[T]:
    return [waiting.popleft() for _ in range(min(len(waiting), TOGETHER_MOST))]


def _tell(answer: Answer, taken: Taken | None) -> bool:
    """Answer who waits; False when nobody does any more."""
    if answer.done():
        return False
    answer.set_result(taken)
    return True


def _tell_requests(waiting: list[Answer], grant: Grant) -> None:
    left = grant.requests_left + grant.requests
    for number, each in enumerate(waiting):
        passed = number < grant.requests
        left -= passed
        _tell(each, _taken(grant, None if passed else "rate", left, grant.tasks_left))


def _tell_tasks(waiting: list[tuple[int, Answer]], grant: Grant) -> int:
    """Answer each; return how many tasks were taken for requests that have gone."""
    unused = 0
    left = grant.tasks_left + sum(
        number for (number, _), taken in zip(waiting, grant.tasks, strict=True) if taken
    )
    for (number, each), taken in zip(waiting, grant.tasks, strict=True):
        left -= number if taken else 0
        told = _tell(each, _taken(grant, None if taken else "quota", grant.requests_left, left))
        unused += number if taken and not told else 0
    return unused


def _taken(grant: Grant, refused: str | None, left: int, tasks_left: int) -> Taken:
    return Taken(refused, left, grant.full_ms, grant.again_ms, tasks_left, grant.day_ends_ms)
