"""The web processes' background work, every second: publish again what a crash left in the
outbox and what a RabbitMQ without its data has forgotten, take back what clients were told was refused,
show due tasks as queued, see which queues are full.

Any number of processes may do it at once: every entry is taken by one script.
"""

import asyncio
import logging
from typing import Final

from callboard.errors import Unavailable
from callboard.pressure import Pressure
from callboard.store import adrift, calls, pages
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner, Publishing, Submitter

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
#: Age of an outbox entry at which its publisher is taken to be dead, milliseconds; above the
#: confirm timeout, so that a slow confirm is not doubled.
LEFT_MS: Final = 10_000
#: Rounds between looks for running tasks that nobody runs.
UNCLAIMED_ROUNDS: Final = 5

#: Milliseconds after its time at which a delayed task is looked at, if RabbitMQ has just come back: a step of
#: the ladder then may wait up to three minutes for a confirm, or for ever (seen: 307 of 400 tasks were late
#: until the next restart).
OVERDUE_MS: Final = 3_000


class Reconciler:
    """One background task per web process."""

    def __init__(
        self, store: AsyncRunner, keys: Keys, submitter: Submitter, publisher: Publishing, pressure: Pressure
    ) -> None:
        self._store = store
        self._keys = keys
        self._submitter = submitter
        self._publisher = publisher
        self._pressure = pressure
        self._rounds = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except Unavailable as error:
                logger.debug("reconciling waits: %s", error)
            except Exception:  # a loop's edge: one bad entry must not end the reconciler
                logger.exception("reconciling failed; going on")
            await asyncio.sleep(PAUSE_S)

    async def once(self) -> None:
        """Do one round; raises Unavailable."""
        await self._pressure.refresh()
        look_after_ms = OVERDUE_MS if self._publisher.fresh() else None
        await self._store.run(calls.promote_due(self._keys, look_after_ms=look_after_ms))
        await self._submitter.reject_leftovers()
        await self._find_adrift()
        while taken := await self._store.run(adrift.take(self._keys)):
            if sent := await self._send(taken, "RabbitMQ may have lost their messages"):
                await self._store.run(adrift.sent(self._keys, sent))
        overdue = await self._store.run(adrift.take_overdue(self._keys))
        if sent := await self._send(overdue, "RabbitMQ has not handed them out, though their delay is over"):
            await self._store.run(adrift.overdue_sent(self._keys, sent))
        await self._send(
            await self._store.run(calls.take_outbox(self._keys, LEFT_MS)),
            "nobody has seen their messages confirmed",
        )

    async def _find_adrift(self) -> None:
        if mark := self._publisher.unmarked():
            logger.warning("RabbitMQ is new or has lost its data; sending every task that has not ended")
            for index in adrift.indexes(await self._store.run(pages.known_types(self._keys))):
                after = await self._store.run(adrift.add(self._keys, index, ""))
                while after:
                    after = await self._store.run(adrift.add(self._keys, index, after))
            await mark()  # not before all are noted: should this process die, another one begins again
        if self._rounds % UNCLAIMED_ROUNDS == 0:
            await self._store.run(adrift.add_unclaimed(self._keys))
        self._rounds += 1

    async def _send(self, task_ids: list[str], why: str) -> list[str]:
        """Publish the messages of tasks that have not ended; return the ids of those that are settled.

        One that cannot be sent, whatever its reason, does not keep the others: it is taken again later.
        """
        records = await asyncio.gather(*(self._store.run(calls.read(self._keys, each)) for each in task_ids))
        left = [record for record in records if record is not None and not record.terminal]
        if left:
            logger.info("sending %d tasks again, the first one is %s: %s", len(left), left[0].task_id, why)
        sending = (self._submitter.send(record) for record in left)
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        unsent = {}
        for record, outcome in zip(left, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                unsent[record.task_id] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        if unsent:
            task_id, error = next(iter(unsent.items()))
            logger.warning(
                "%d of them could not be sent, the first one is %s: %s", len(unsent), task_id, error
            )
        return [each for each in task_ids if each not in unsent]

    async def close(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
