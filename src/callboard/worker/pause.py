"""Hears which queues are paused, so that their messages wait in RabbitMQ and not in this process.

The pause itself is enforced by the claim (store/lua/claim.lua): no task of a paused queue starts, whatever
has been heard here. So nothing can go wrong while Redis is away: no claim, no start; what was known before
stays in force until Redis says otherwise.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from callboard.errors import Unavailable
from callboard.store import queues
from callboard.store.keys import Keys
from callboard.worker.cancel import RETRY_S, Subscription
from callboard.worker.ports import Store

logger = logging.getLogger(__name__)

#: Seconds between looks; a message on the channel only means that it is time for one.
LOOK_S: Final = 1.0


class PauseListener(threading.Thread):
    """One daemon thread per worker process."""

    def __init__(
        self, subscription: Subscription, store: Store, keys: Keys, hold: Callable[[frozenset[str]], None]
    ) -> None:
        super().__init__(name="pauses", daemon=True)
        self._subscription = subscription
        self._store = store
        self._keys = keys
        self._hold = hold
        self._stopping = threading.Event()

    def look(self) -> None:
        """Do what Redis says now; raises Unavailable."""
        paused = self._store.run(queues.paused(self._keys))
        self._hold(frozenset(paused))

    def start(self) -> None:
        """Look for the first time, before anything is taken from RabbitMQ, and go on in the thread."""
        try:
            self.look()
        except Unavailable as error:
            logger.info("which queues are paused is not known yet; nothing starts without Redis: %s", error)
        super().start()

    def run(self) -> None:
        """Look again and again until stopped."""
        while not self._stopping.is_set():
            try:
                self._subscription.next(LOOK_S)
                if not self._stopping.is_set():
                    self.look()
            except Unavailable:  # the heartbeat says so
                self._stopping.wait(RETRY_S)
        self._subscription.close()

    def stop(self) -> None:
        """End the thread soon."""
        self._stopping.set()
