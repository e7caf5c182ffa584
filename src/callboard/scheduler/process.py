"""A scheduler from start to stop: `callboard scheduler` runs it, and embedded mode inside the web process."""

from dataclasses import dataclass
from typing import Any

import dramatiq

from callboard.errors import Unavailable
from callboard.scheduler.clock import Clock
from callboard.store import schedulers
from callboard.store.keys import Keys
from callboard.worker.ports import Store


@dataclass(frozen=True, kw_only=True)
class SchedulerProcess:
    """The clock, and what does the work that it ticks."""

    name: str
    clock: Clock
    store: Store
    keys: Keys
    #: Takes ticks, its own and those of others, from RabbitMQ; None in embedded mode, where the clock works.
    loop: dramatiq.Worker | None = None

    def start(self) -> None:
        """Begin to tick; returns at once."""
        if self.loop is not None:
            self.loop.start()
        self.clock.start()

    def stop(self) -> None:
        """Let the tick that runs end."""
        self.clock.stop()
        if self.loop is not None:
            self.loop.stop(timeout=10_000)
            if not any(each.is_alive() for each in self.loop.workers):  # else it may be using a connection
                broker: Any = self.loop.broker
                broker.close()
        self.clock.join(timeout=5)
        try:
            self.store.run(schedulers.gone(self.keys, self.name))
        except Unavailable:  # it stays listed with its last heartbeat
            return
