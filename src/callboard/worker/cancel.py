"""Hears at once when a running task is to stop. Only the fast path: the cancel stands in the record,
and the heartbeat finds it there within 1.5 s when this message was missed.
"""

import logging
import threading
from typing import Final, Protocol

from callboard.errors import Unavailable
from callboard.worker.running import Running

logger = logging.getLogger(__name__)

LISTEN_S: Final = 0.5
RETRY_S: Final = 1.0


class Subscription(Protocol):
    """Messages of one channel; SyncSubscription is one."""

    def next(self, timeout_s: float) -> str | None:
        """Return the next message, or None after `timeout_s`; raises Unavailable."""

    def close(self) -> None:
        """Stop listening."""


class CancelListener(threading.Thread):
    """One daemon thread per worker process."""

    def __init__(self, subscription: Subscription, running: Running) -> None:
        super().__init__(name="cancels", daemon=True)
        self._subscription = subscription
        self._running = running
        self._stopping = threading.Event()

    def run(self) -> None:
        """Listen until stopped."""
        while not self._stopping.is_set():
            try:
                task_id = self._subscription.next(LISTEN_S)
            except Unavailable:  # the heartbeat says so
                self._stopping.wait(RETRY_S)
                continue
            if task_id is not None:
                self._running.cancel(task_id)
        self._subscription.close()

    def stop(self) -> None:
        """End the thread soon."""
        self._stopping.set()
