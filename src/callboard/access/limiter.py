"""Counts the requests and tasks of keys that have a limit, in Redis, so that all web processes agree."""

import logging

from callboard.access.limits import Taken
from callboard.access.principal import Principal
from callboard.errors import Unavailable
from callboard.store import limits
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner

logger = logging.getLogger(__name__)


class Limiter:
    """One per web process; only asked for principals that are `limited`."""

    def __init__(self, store: AsyncRunner, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def take(self, principal: Principal, *, requests: int, tasks: int) -> Taken | None:
        """Take requests and tasks; None when nobody can count now, and then they may pass."""
        rate = principal.rate
        call = limits.take(
            self._keys, principal.key_id, (rate.count, rate.seconds) if rate else (0, 1), requests,
            principal.quota or 0, tasks,
        )  # fmt: skip
        try:
            refused, *numbers = await self._store.run(call)
        except Unavailable as error:
            logger.info("the limits of %s are not counted: %s", principal.name, error)
            return None
        return Taken(refused or None, *numbers)

    async def give_back(self, principal: Principal, tasks: int) -> None:
        """Give back tasks that were not accepted after all."""
        try:
            await self._store.run(limits.give_back(self._keys, principal.key_id, tasks))
        except Unavailable as error:
            logger.info("%d tasks of %s are counted and were not accepted: %s", tasks, principal.name, error)
