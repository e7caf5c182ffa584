"""Looks for problems: when somebody asks, and every 10 s besides, so that `since` is true.

Whatever is down, an answer comes within a second: nothing here waits longer for Redis, and what is known
of RabbitMQ is known without asking it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from redis.exceptions import ResponseError

from callboard.errors import Unavailable
from callboard.flow import Flow
from callboard.health import judge
from callboard.health.judge import WINDOW_MIN, Limits, Seen
from callboard.health.problem import Problem, Report, Severity, in_order
from callboard.store import calls, look, problems, schedulers, schedules, workers
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner
from callboard.tasks.times import now_ms

logger = logging.getLogger(__name__)

#: Seconds a report is good for, and between looks when nobody asks.
FRESH_S: Final = 2.0
EVERY_S: Final = 10.0
#: Seconds between probes of RabbitMQ at least.
PROBE_S: Final = 4.0
#: Seconds a look may take.
PATIENCE_S: Final = 0.6
#: Schedules that are told to have a problem; the others are on their page.
SCHEDULES_MOST: Final = 5
#: What is not looked at while Redis is away.
INSIDE: Final = (
    "workers",
    "schedulers",
    "schedules",
    "queues",
    "outbox",
    "delays",
    "failures",
    "dead letters",
)


class Broker(Protocol):
    """What is asked of the publisher; both are one."""

    def problem(self) -> str | None:
        """Return why nothing can be published now, or None."""

    def blocked(self) -> str | None:
        """Return the alarm that RabbitMQ has told of, or None."""

    async def probe(self) -> None:
        """Let RabbitMQ say whether it takes messages; raises Unavailable."""


class Health:
    """One per web process."""

    def __init__(
        self,
        store: AsyncRunner,
        keys: Keys,
        publisher: Broker,
        flow: Flow,
        types_by_queue: Mapping[str, list[str]],
        limits: Limits,
        *,
        embedded: bool,
    ) -> None:
        self._store = store
        self._keys = keys
        self._publisher = publisher
        self._flow = flow
        self._types_by_queue = types_by_queue
        self._limits = limits
        self._embedded = embedded
        self._began = time.monotonic()
        self._report = Report(0)
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        #: When this process first saw each problem, for the time while Redis cannot say it.
        self._first: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look every now and then."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End the background tasks."""
        tasks = [each for each in (self._task, self._probing) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)  # first of all: servers are not connected yet
            try:
                await self.report()
            except Exception:  # a loop's edge: one odd answer must not end the looking
                logger.exception("health could not be looked at; going on")

    async def report(self) -> Report:
        """Return what is wrong, as of the last FRESH_S seconds; never raises Unavailable."""
        async with self._looking:  # who comes meanwhile gets the same report
            if time.monotonic() - self._looked > FRESH_S:
                if self._probing is None or self._probing.done():
                    self._probing = asyncio.get_running_loop().create_task(self._probe())
                self._report = await self._look()
                self._looked = time.monotonic()
            return self._report

    async def _probe(self) -> None:
        """Let RabbitMQ say whether it takes messages; what it says is there for the next look."""
        with contextlib.suppress(Unavailable):
            await self._publisher.probe()
        await asyncio.sleep(PROBE_S)

    async def _look(self) -> Report:
        redis: str | None = None
        found: list[Problem] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                seen = await self._seen()
                uptime_s = time.monotonic() - self._began
                found += judge.inside(seen, self._types_by_queue, self._limits, uptime_s)
        except Unavailable as error:
            redis = str(error)
        except TimeoutError:
            redis = f"Redis has not answered within {PATIENCE_S:g} s"
        found += judge.servers(self._publisher.problem(), self._publisher.blocked(), redis)
        dated = await self._dated(found, redis is None)
        return Report(now_ms(), in_order(dated), () if redis is None else INSIDE)

    async def _seen(self) -> Seen:
        run, keys = self._store.run, self._keys
        about, (entries, outbox, due, minutes, troubled) = await asyncio.gather(
            asyncio.gather(
                run(schedulers.seen(keys)), self._info(), run(workers.live(keys)), run(workers.lost(keys))
            ),
            asyncio.gather(
                run(workers.queues(keys, self._types_by_queue)),
                run(look.earliest(keys, "outbox")),
                run(look.earliest(keys, "due")),
                self._flow.minutes(WINDOW_MIN + 1),
                run(schedules.troubled(keys, SCHEDULES_MOST)),
            ),
        )
        known, info, alive, lost = about
        left = judge.unreplaced(lost, alive)
        for each in lost:
            if each not in left:  # for good: the one in its place may stop in good order
                await run(calls.gone(keys, each.id))
        return Seen(
            now=known.now, info=info, queues=entries, alive=alive, lost=left, schedulers=known,
            outbox=outbox, due=due, minutes=minutes, schedules=troubled,
        )  # fmt: skip

    async def _info(self) -> dict[str, Any] | None:
        """Return INFO's answer; None where there is no server, or it does not let us ask."""
        if self._embedded:
            return None
        try:
            return await self._store.run(problems.info())
        except ResponseError as error:
            logger.debug("Redis does not answer INFO: %s", error)
            return None

    async def _dated(self, found: list[Problem], redis: bool) -> list[Problem]:
        """Return the problems, each with since when it is known."""
        ids = [each.id for each in found]
        at_ms = now_ms()
        self._first = {each: self._first.get(each, at_ms) for each in ids}
        if redis and ids:
            try:
                async with asyncio.timeout(PATIENCE_S / 4):
                    known = await self._store.run(problems.first_seen(self._keys, ids))
            except (Unavailable, TimeoutError):
                known = {}
            for each in found:
                first, new = known.get(each.id, (at_ms, False))
                self._first[each.id] = min(first, self._first[each.id])
                if new:
                    level = logging.INFO if each.severity is Severity.INFO else logging.WARNING
                    logger.log(level, "%s: %s %s", each.title, each.detail, each.what_to_do)
        return [
            each if each.since_ms is not None else replace(each, since_ms=self._first[each.id])
            for each in found
        ]
