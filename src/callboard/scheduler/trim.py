"""Drops index entries of records that have expired. Redis expires the records themselves."""

import logging
from collections.abc import Callable

from callboard.store import pages, upkeep
from callboard.store.keys import Keys
from callboard.store.scripts import Call, texts
from callboard.tasks.ids import first_id_at
from callboard.tasks.states import TERMINAL, Priority
from callboard.tasks.times import now_ms
from callboard.worker.ports import Store

logger = logging.getLogger(__name__)


class Trimmer:
    """Walks the indexes; a record can only have expired when it is older than RESULT_TTL."""

    def __init__(
        self, store: Store, keys: Keys, result_ttl_s: int, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store = store
        self._keys = keys
        self._result_ttl_s = result_ttl_s
        self._clock = clock

    def run(self) -> None:
        """Trim every index once; raises Unavailable."""
        below = first_id_at(self._clock() - self._result_ttl_s * 1000)
        dropped = sum(self._trim(index, below) for index in self._indexes())
        if dropped:
            logger.info("trimmed %d index entries of expired tasks", dropped)

    def _indexes(self) -> list[str]:
        types = self._store.run(pages.known_types(self._keys))
        tags = self._store.run(Call(texts, ["ZRANGE", f"{self._keys.prefix}tags", 0, -1]))
        return [
            "all",
            *(
                f"idx:{task_type}:{priority.value}:{state.value}"
                for task_type in types
                for priority in Priority
                for state in sorted(TERMINAL)
            ),
            *(f"tag:{tag}" for tag in tags),
        ]

    def _trim(self, index: str, below: str) -> int:
        after, dropped = "", 0
        while True:
            after, number = self._store.run(upkeep.trim(self._keys, index, below, after))
            dropped += number
            if not after:
                return dropped
