"""The every-minute work, as periodiq actors on a queue of their own.

periodiq only says "a minute has begun" (promises.md, trap 14). Two schedulers are safe: whoever
takes the minute's key first does the work.
"""

import logging
from collections.abc import Callable
from typing import Final

import dramatiq
from periodiq import cron

from callboard.scheduler.trim import Trimmer
from callboard.store import upkeep
from callboard.store.keys import Keys
from callboard.tasks.times import now_ms
from callboard.worker.ports import Store

logger = logging.getLogger(__name__)

#: Only scheduler processes serve this queue.
QUEUE: Final = "periodic"


def declare_ticks(
    broker: dramatiq.Broker,
    store: Store,
    keys: Keys,
    trimmer: Trimmer,
    clock: Callable[[], int] = now_ms,
) -> list[dramatiq.Actor[..., None]]:
    """Make the periodic actors on a broker and return them."""

    def once_a_minute(name: str, work: Callable[[], None]) -> dramatiq.Actor[..., None]:
        def tick() -> None:
            if store.run(upkeep.take_tick(keys, name, clock() // 60_000)):
                work()

        return dramatiq.actor(
            actor_name=f"every_minute_{name}", queue_name=QUEUE, broker=broker, periodic=cron("* * * * *")
        )(tick)

    return [once_a_minute("trim", trimmer.run)]
