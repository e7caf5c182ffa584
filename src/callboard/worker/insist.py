"""Trying again until Redis and RabbitMQ are back: what must happen before an ack."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from dramatiq.errors import BrokerConnectionError, Retry

from callboard.errors import Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 2.0


class Ended(Retry):
    """Leaves dramatiq's loop without a result, after everything about the run is recorded.

    dramatiq logs every other exception with its traceback, and lets pipelines go on when there is
    none; its own Retry is the one it takes in silence (no Retries middleware is installed here).
    """


class Abandoned(Exception):
    """The process stops before the work could be recorded: the message must stay un-acked."""


class Insist:
    """Repeats an action while Redis or RabbitMQ is away, until the process has to stop."""

    def __init__(self) -> None:
        self._give_up = threading.Event()

    def give_up(self) -> None:
        """Let every waiting action end in Abandoned."""
        self._give_up.set()

    def on(self, action: Callable[[], T], what: str, task_id: str) -> T:
        """Return the action's answer, however long it takes; raises Abandoned on `give_up`."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return action()
            except (Unavailable, BrokerConnectionError) as error:
                logger.warning(
                    "cannot %s task %s yet, trying again in %g s: %s", what, task_id, wait_s, error
                )
            if self._give_up.wait(wait_s):
                raise Abandoned(what)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
