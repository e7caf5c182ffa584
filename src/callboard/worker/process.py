"""A worker process from start to drained stop; `callboard worker` and embedded mode run it."""

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Final

import dramatiq

from callboard.errors import Unavailable
from callboard.metrics.exposition import WorkerEndpoint
from callboard.metrics.worker import WorkerMetrics
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.traces import Traces
from callboard.worker.cancel import CancelListener
from callboard.worker.heartbeat import Heartbeat
from callboard.worker.insist import Insist
from callboard.worker.loop import PriorityWorker
from callboard.worker.pause import PauseListener
from callboard.worker.ports import Store
from callboard.worker.report import CaptureHandler, Flusher
from callboard.worker.running import Running
from callboard.worker.sharing import Sharing
from callboard.worker.watch import Watch

logger = logging.getLogger(__name__)

#: Seconds between looks at whether every thread still lives.
LOOK_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """Everything that runs in one worker process; the bootstrap puts it together."""

    broker: dramatiq.Broker
    store: Store
    keys: Keys
    loop: PriorityWorker
    heartbeat: Heartbeat
    flusher: Flusher
    watch: Watch
    cancels: CancelListener
    pauses: PauseListener
    sharing: Sharing
    running: Running
    insist: Insist
    metrics: WorkerMetrics
    endpoint: WorkerEndpoint
    traces: Traces | None
    drain_timeout_s: float
    #: Nothing else runs in this process.
    alone: bool

    def start(self) -> None:
        """Begin to consume; returns at once. RabbitMQ and Redis need not be there yet.

        Raises SettingsError when there is no port for its metrics.
        """
        if self.alone:
            _wake_gently()
            self.sharing.start()
        self.endpoint.start()
        self.metrics.serves(self.loop.worker_threads)
        logging.getLogger().addHandler(CaptureHandler())
        self.flusher.start()
        self.watch.start()
        self.cancels.start()
        self.pauses.start()
        self.heartbeat.start()
        self.broker.emit_after("process_boot")
        self.loop.start()

    def wait(self, stop: threading.Event) -> bool:
        """Return True when `stop` is set, False when a thread has died (the process should end)."""
        while not stop.wait(LOOK_S):
            if dead := self.loop.dead_threads():
                logger.critical("threads have died: %s; ending this process", ", ".join(dead))
                return False
            if self.loop.given_up >= self.loop.worker_threads:
                logger.critical("%d threads hang in tasks; ending this process", self.loop.given_up)
                return False
        return True

    def stop(self) -> None:
        """Take nothing new, let tasks end within the drain time, give the rest back."""
        self.pauses.stop()
        self.sharing.stop()
        logger.info("stopping; %d tasks may run on for %g s", len(self.running.all()), self.drain_timeout_s)
        self.metrics.stops()
        stopper = threading.Thread(target=self._stop_loop, name="stop", daemon=True)
        stopper.start()
        stopper.join(self.drain_timeout_s)
        self.insist.give_up()
        self.heartbeat.stop()  # a beat would renew the leases that are given back
        left = [(each.task_id, each.run) for each in self.running.all()]
        if left:
            logger.warning("%d tasks did not end in time and are given back", len(left))
            try:
                self.store.run(calls.release(self.keys, left))
            except Unavailable as error:
                logger.warning("their leases end by themselves within 6 s: %s", error)
        else:
            stopper.join(timeout=10)
        if not self.loop.working():  # else it would close connections that the threads use
            self.broker.close()
        self.flusher.stop()
        self.watch.stop()
        self.cancels.stop()
        self.endpoint.stop()
        if self.traces is not None:
            self.traces.close()

    def _stop_loop(self) -> None:
        begun = time.monotonic()
        self.loop.stop(timeout=int(self.drain_timeout_s * 1000))
        logger.info("stopped after %.1f s", time.monotonic() - begun)


def _wake_gently() -> None:
    """Let a thread that is woken wait until the running one rests, in this process from here on.

    Who wakes a thread for a message holds Python's lock: woken at once it could only sleep again, and
    that took 40 % of a busy worker's time (docs/decisions/0014).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except (AttributeError, OSError) as error:  # not Linux, or a sandbox forbids it
        logger.info("threads are scheduled as usual: %s", error)
