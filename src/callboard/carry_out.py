"""Takes the steps of operations (bulk.py) in the background of every web process.

Any process may take any step. A lease keeps two from taking turns at the same operation; when its process
dies another one goes on after the lease. Messages that a dead process did not send any more stand in the
outbox, where reconcile.py finds them.
"""

import asyncio
import contextlib
import logging
from typing import Final

from callboard.errors import Unavailable
from callboard.store import calls, operations
from callboard.store.keys import Keys
from callboard.store.operations import Action, Operation
from callboard.submit import AsyncRunner, Submitter

logger = logging.getLogger(__name__)

#: Seconds between looks for operations that somebody else began or left.
PAUSE_S: Final = 1.0
#: Messages sent at the same time.
SENDING: Final = 50
#: Seconds between steps at most; a shorter step is followed by a pause of its own length, so that an
#: operation never takes more than half of Redis.
REST_MOST_S: Final = 0.05


class CarryOut:
    """One background task per web process."""

    def __init__(
        self, store: AsyncRunner, keys: Keys, submitter: Submitter, owner: str, result_ttl_s: int
    ) -> None:
        self._store = store
        self._keys = keys
        self._submitter = submitter
        self._owner = owner
        self._result_ttl_s = result_ttl_s
        self._wake = asyncio.Event()
        self._sending = asyncio.Semaphore(SENDING)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Look now: an operation has begun."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self.once():
                    pass
            except Unavailable as error:
                logger.debug("operations wait: %s", error)
            except Exception:  # a loop's edge: one bad operation must not end the others
                logger.exception("an operation's step failed; going on")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), PAUSE_S)

    async def once(self) -> bool:
        """Take one step of every operation that runs, oldest first; tells whether there was one to take.

        Raises Unavailable.
        """
        found = await self._store.run(operations.running(self._keys))
        return any([await self._step(each) for each in reversed(found)])

    async def _step(self, operation: Operation) -> bool:
        if operation.action is Action.RETRY and self._submitter.problem():
            return False  # the tasks would only pile up in the outbox
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await self._store.run(
            operations.step(
                self._keys, operation.operation_id, self._owner, operation.left, self._result_ttl_s
            )
        )
        if done.kind != "stepped":
            return done.kind == "moved"
        await asyncio.gather(*(self._send(task_id) for task_id in done.again))
        if done.left == 0:
            logger.info("operation %s (%s) has finished", operation.operation_id, operation.action)
        await asyncio.sleep(min(loop.time() - began, REST_MOST_S))
        return True

    async def _send(self, task_id: str) -> None:
        async with self._sending:
            try:
                record = await self._store.run(calls.read(self._keys, task_id))
                if record is not None and not record.terminal:
                    await self._submitter.send(record)
            except Unavailable as error:  # it stands in the outbox: the reconciler sends it
                logger.debug("task %s is queued again and will be sent later: %s", task_id, error)

    async def close(self) -> None:
        """End the background task; others go on with what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
