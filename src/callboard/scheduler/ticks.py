"""The every-minute work, as periodiq actors on a queue of their own.

periodiq only says "a minute has begun" (promises.md, trap 14). Two schedulers are safe: whoever
takes the minute's key first does the work, and of schedules every tick has a key of its own.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import dramatiq
from periodiq import cron

from callboard.errors import Unavailable
from callboard.scheduler.dispatch import Dispatcher
from callboard.scheduler.trim import Trimmer
from callboard.store import upkeep
from callboard.store.keys import Keys
from callboard.tasks.times import now_ms
from callboard.worker.ports import Store

logger = logging.getLogger(__name__)

#: Seconds between tries while Redis does not answer, and until the next minute's tick is left to it.
AGAIN_S: Final = 1.0
TRY_S: Final = 50.0

#: Only scheduler processes serve this queue.
QUEUE: Final = "periodic"


def declare_ticks(
    broker: Any,
    store: Store,
    keys: Keys,
    trimmer: Trimmer,
    dispatcher: Dispatcher,
    clock: Callable[[], int] = now_ms,
) -> list[dramatiq.Actor[..., None]]:
    """Make the periodic actors on a broker, one of ours, and return them."""

    def once_a_minute(name: str, work: Callable[[], None]) -> dramatiq.Actor[..., None]:
        def tick() -> None:
            try:
                if store.run(upkeep.take_tick(keys, name, clock() // 60_000)):
                    work()
            except Unavailable as error:
                logger.warning("%s: left to the next minute: %s", name, error)

        return dramatiq.actor(
            actor_name=f"every_minute_{name}", queue_name=QUEUE, broker=broker, periodic=cron("* * * * *")
        )(tick)

    def dispatch() -> None:
        until = time.monotonic() + TRY_S
        while True:
            try:
                dispatcher.run()
                return
            except Unavailable as error:
                if time.monotonic() > until:
                    logger.warning("due schedules are left to the next minute: %s", error)
                    return
                logger.info("due schedules wait: %s", error)
                time.sleep(AGAIN_S)
            finally:
                broker.rest()

    return [
        # Without the key: every tick of a schedule has its own, and a scheduler that dies with this minute's
        # key would keep the others from doing its work.
        dramatiq.actor(
            actor_name="every_minute_dispatch", queue_name=QUEUE, broker=broker, periodic=cron("* * * * *")
        )(dispatch),
        once_a_minute("trim", trimmer.run),
    ]
