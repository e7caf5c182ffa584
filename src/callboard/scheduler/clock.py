"""Ticks periodiq's actors from a thread. periodiq's own loop needs SIGALRM in the main thread,
which embedded mode does not have; its cron, its sending and its middleware are used as they are.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import dramatiq
import pendulum
from dramatiq.errors import BrokerConnectionError
from periodiq import Scheduler

from callboard.errors import Unavailable
from callboard.tasks.times import now_ms

logger = logging.getLogger(__name__)

Actors = list[dramatiq.Actor[..., Any]]

MINUTE_MS: Final = 60_000
#: Seconds between looks at the clock, which may be set, and between tries to send a tick.
LOOK_S: Final = 1.0
#: Seconds between heartbeats.
BEAT_S: Final = 5.0


class Clock(threading.Thread):
    """Sends the periodic actors that are due, at the top of every minute, and says that it lives."""

    def __init__(
        self,
        actors: Actors,
        beat: Callable[[], object] = lambda: None,
        send: Callable[[Actors], None] | None = None,
        clock: Callable[[], int] = now_ms,
        look_s: float = LOOK_S,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="clock", daemon=True)
        self._actors = actors
        self._send = send or self._to_queue
        self._beat = beat
        self._clock = clock
        self._look_s = look_s
        self._rest = rest
        self._stopping = threading.Event()

    def run(self) -> None:
        """Tick at once for the minute that has begun, then for every other one, until stopped.

        A clock that is set forward or back has a new minute at once. A tick that cannot be sent is sent
        as soon as it can be.
        """
        ticked: int | None = None
        beat_at = 0.0
        while True:
            now = self._clock()
            minute = now // MINUTE_MS
            if minute != ticked and self.tick(pendulum.from_timestamp(minute * 60)):
                ticked = minute
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT_S
                self._say()
            if self._stopping.wait(min(self._look_s, (MINUTE_MS - now % MINUTE_MS) / 1000)):
                return

    def tick(self, at: pendulum.DateTime) -> bool:
        """Send what is due at `at`; tells whether all of it was sent."""
        try:
            self._send([each for each in self._actors if each.options["periodic"].validate(at)])
        except BrokerConnectionError as error:
            logger.warning("the tick of %s could not be sent, trying on: %s", at, error)
            return False
        except Exception:  # a loop's edge: a clock that stands still would stop every schedule
            logger.exception("the tick of %s could not be sent, trying on", at)
            return False
        return True

    def _to_queue(self, actors: Actors) -> None:
        Scheduler(actors=actors).send_actors(actors, pendulum.now("UTC"))
        self._rest()  # nothing is sent for a minute

    def _say(self) -> None:
        try:
            self._beat()
        except Unavailable as error:
            logger.debug("no heartbeat could be written: %s", error)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()


def run_here(actors: Actors) -> None:
    """Do the work in the clock's own thread: in embedded mode the workers' threads may all be busy."""
    for each in actors:
        try:
            each.fn()
        except Exception:  # a loop's edge: the others have their turn
            logger.exception("%s failed; it comes again in a minute", each.actor_name)
