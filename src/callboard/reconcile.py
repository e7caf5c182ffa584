"""The web processes' background work, every second: publish again what a crash left in the
outbox, take back what clients were told was refused, show due tasks as queued, see which queues are full.

Any number of processes may do it at once: every entry is taken by one script.
"""

import asyncio
import logging
from typing import Final

from callboard.errors import Unavailable
from callboard.pressure import Pressure
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner, Submitter

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
#: Age of an outbox entry at which its publisher is taken to be dead, milliseconds; above the
#: confirm timeout, so that a slow confirm is not doubled.
LEFT_MS: Final = 10_000


class Reconciler:
    """One background task per web process."""

    def __init__(self, store: AsyncRunner, keys: Keys, submitter: Submitter, pressure: Pressure) -> None:
        self._store = store
        self._keys = keys
        self._submitter = submitter
        self._pressure = pressure
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
        await self._store.run(calls.promote_due(self._keys))
        await self._submitter.reject_leftovers()
        taken = await self._store.run(calls.take_outbox(self._keys, LEFT_MS))
        for task_id in taken:
            record = await self._store.run(calls.read(self._keys, task_id))
            if record is not None and not record.terminal:
                logger.info("publishing task %s again: its first publish was not confirmed", task_id)
                await self._submitter.send(record)

    async def close(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
