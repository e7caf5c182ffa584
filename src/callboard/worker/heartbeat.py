"""Says every 1.5 s that this worker lives, renews the leases of what it runs, and hears of cancels."""

import logging
import os
import socket
import threading
import time
from typing import Final

import psutil

from callboard.errors import Unavailable
from callboard.store import calls, workers
from callboard.store.keys import Keys
from callboard.worker.ports import Store
from callboard.worker.running import Running

logger = logging.getLogger(__name__)

#: Seconds between beats; four of them fit into a lease of 6 s.
BEAT_S: Final = 1.5


class Heartbeat(threading.Thread):
    """One daemon thread per worker process."""

    def __init__(
        self, store: Store, keys: Keys, worker: str, running: Running, queues: list[str], threads: int
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._store = store
        self._keys = keys
        self._worker = worker
        self._running = running
        self._process = psutil.Process()
        self._fixed: dict[str, str | int | float] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": ",".join(queues),
            "threads": threads,
            "started_at": int(time.time() * 1000),
        }
        self._stopping = threading.Event()

    def run(self) -> None:
        """Beat until stopped; an unreachable Redis is said once."""
        told = False
        while True:
            try:
                self.beat()
                told = False
            except Unavailable as error:
                if not told:
                    logger.warning("no heartbeat could be written, trying on: %s", error)
                    told = True
            if self._stopping.wait(BEAT_S):
                return

    def beat(self) -> None:
        """Write one beat; raises Unavailable."""
        runs = self._running.all()
        fields = self._fixed | {
            "running": ",".join(each.task_id for each in runs),
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": self._process.memory_info().rss,
            "done": self._running.done,
            "failed": self._running.failed,
        }
        pairs = [(each.task_id, each.run) for each in runs]
        answers = self._store.run(calls.beat(self._keys, self._worker, fields, pairs))
        for each, answer in zip(runs, answers, strict=True):
            if answer == "cancel":
                self._running.cancel(each.task_id)

    def stop(self) -> None:
        """Beat no more; leaves the list of workers (best effort)."""
        self._stopping.set()
        self.join(timeout=5)
        try:
            self._store.run(calls.gone(self._keys, self._worker))
        except Unavailable:
            logger.info("this worker's entry stays listed for %d s", workers.WORKER_TTL_S)
