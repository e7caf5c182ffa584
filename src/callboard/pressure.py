"""Refuses submits to a queue that is too full (CALLBOARD_QUEUE_LIMIT), at no cost to the others.

The depths are those of the reconciler's last round, so a queue may grow beyond its limit by what is
submitted within one second.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from callboard.errors import Unavailable
from callboard.store import workers
from callboard.store.keys import Keys

if TYPE_CHECKING:
    from callboard.submit import AsyncRunner

#: Seconds after which a refused client should try again.
RETRY_AFTER_S: Final = 5


class Pressure:
    """How many tasks wait in each queue; one per web process."""

    def __init__(
        self, store: "AsyncRunner", keys: Keys, types_by_queue: Mapping[str, list[str]], limit: int
    ) -> None:
        self._store = store
        self._keys = keys
        self._types_by_queue = types_by_queue
        #: Queued tasks a queue may hold; 0 for any number.
        self._limit = limit
        self._full: dict[str, int] = {}

    async def refresh(self) -> None:
        """Look how many wait; raises Unavailable."""
        if self._limit:
            found = await self._store.run(workers.queues(self._keys, self._types_by_queue))
            depths = {each.name: each.high + each.normal + each.low for each in found}
            self._full = {name: depth for name, depth in depths.items() if depth >= self._limit}

    def check(self, queue: str) -> None:
        """Raise Unavailable when the queue is full."""
        if queue in self._full:
            raise Unavailable(
                f"the queue {queue!r} is full: {self._full[queue]} tasks wait in it, and {self._limit} may "
                "(CALLBOARD_QUEUE_LIMIT)",
                retry_after_s=RETRY_AFTER_S,
                nothing_done=True,
            )
