"""Ticks periodiq's actors from a thread. periodiq's own loop needs SIGALRM in the main thread,
which embedded mode does not have; its cron, its sending and its middleware are used as they are.
"""

import logging
import threading
from datetime import timedelta
from typing import Any

import dramatiq
import pendulum
from dramatiq.errors import BrokerConnectionError
from periodiq import Scheduler

logger = logging.getLogger(__name__)


class Clock(threading.Thread):
    """Sends the periodic actors that are due, at the top of every minute."""

    def __init__(self, actors: list[dramatiq.Actor[..., Any]]) -> None:
        super().__init__(name="clock", daemon=True)
        self._scheduler = Scheduler(actors=actors)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Tick at once for the minute that has begun, then every minute, until stopped."""
        due = pendulum.now("UTC").start_of("minute")
        while True:
            self.tick(due)
            due = max(due + timedelta(minutes=1), pendulum.now("UTC").start_of("minute"))
            while (wait_s := (due - pendulum.now("UTC")).total_seconds()) > 0:
                if self._stopping.wait(wait_s):
                    return
            if self._stopping.is_set():
                return

    def tick(self, at: pendulum.DateTime) -> None:
        """Send what is due at `at`."""
        actors = [each for each in self._scheduler.actors if each.options["periodic"].validate(at)]
        try:
            self._scheduler.send_actors(actors, pendulum.now("UTC"))
        except BrokerConnectionError as error:
            logger.warning("the tick of %s could not be sent: %s", at, error)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
