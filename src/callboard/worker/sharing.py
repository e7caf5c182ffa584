"""Lets others have what waits behind the busy threads of this process, while they have threads free.

RabbitMQ hands messages out before anybody knows which thread will be free first, and per queue: all threads
may sit in long tasks of one queue while messages of another wait behind them. Where nobody else is free
they stay, as here they are in the order of their priorities across queues (docs/decisions/0015).
"""

import threading
from typing import Final

from callboard.errors import Unavailable
from callboard.store import workers
from callboard.store.keys import Keys
from callboard.worker.loop import PriorityWorker
from callboard.worker.ports import Store

#: Seconds between looks.
LOOK_S: Final = 0.5
#: Seconds a message waits here until others are looked for; far longer than behind short tasks.
WAIT_S: Final = 1.0


class Sharing(threading.Thread):
    """One daemon thread per worker process; not where there is only one process."""

    def __init__(self, store: Store, keys: Keys, worker: str, loop: PriorityWorker) -> None:
        super().__init__(name="sharing", daemon=True)
        self._store = store
        self._keys = keys
        self._worker = worker
        self._loop = loop
        self._stopping = threading.Event()

    def look(self) -> None:
        """Leave to others what has waited too long and what they are still free for; raises Unavailable."""
        wanted = self._loop.waiting(WAIT_S) | self._loop.spared if self._loop.full() else frozenset[str]()
        self._loop.spare(wanted & self._served_elsewhere() if wanted else wanted)

    def _served_elsewhere(self) -> frozenset[str]:
        """Return the queues for which another worker has a thread free, by its last heartbeat."""
        others = self._store.run(workers.live(self._keys))
        free = [each for each in others if each.id != self._worker and len(each.running) < each.threads]
        return frozenset(name for each in free for name in each.queues)

    def run(self) -> None:
        """Look twice a second until stopped."""
        try:
            while not self._stopping.wait(LOOK_S):
                try:
                    self.look()
                except Unavailable:  # the heartbeat says so
                    self._loop.spare(frozenset())
        finally:
            self._loop.spare(frozenset())  # nothing would ever take from these queues again

    def stop(self) -> None:
        """End the thread soon."""
        self._stopping.set()
