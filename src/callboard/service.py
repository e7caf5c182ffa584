"""What one web process is made of, started and stopped together; bootstrap.py wires it, web/ uses it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from callboard.access.access import Access
from callboard.board import Board
from callboard.bulk import Bulk
from callboard.carry_out import CarryOut
from callboard.dead_letters import DeadLetters
from callboard.files import Files
from callboard.health.watch import Health
from callboard.live.hub import Hub
from callboard.metrics.exposition import Exposition
from callboard.metrics.fleet import Fleet
from callboard.metrics.web import WebMetrics
from callboard.queues import Queues
from callboard.reconcile import Reconciler
from callboard.schedules import Schedules
from callboard.settings import Settings
from callboard.store import calls
from callboard.store.aio import AsyncStore
from callboard.store.keys import Keys
from callboard.submit import Submitter
from callboard.tasks.registry import Registry, TaskType
from callboard.traces import Traces


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the web process needs; started and stopped with it."""

    settings: Settings
    registry: Registry
    board: Board
    submitter: Submitter
    files: Files
    publisher: Any
    store: AsyncStore
    hub: Hub
    keys: Keys
    reconciler: Reconciler
    bulk: Bulk
    carry_out: CarryOut
    dead_letters: DeadLetters
    health: Health
    queues: Queues
    access: Access
    metrics: WebMetrics
    traces: Traces | None
    exposition: Exposition
    fleet: Fleet
    schedules: Schedules
    #: Embedded mode: what else runs in this process.
    inside: list[Any] = field(default_factory=list)

    def types_by_queue(self) -> dict[str, list[str]]:
        """Return the task types that wait in each queue."""
        return self.registry.types_by_queue()

    def task_types(self) -> list[TaskType]:
        """Return all task types by name."""
        return list(self.registry)

    async def problems(self) -> dict[str, str]:
        """Return what is not reachable, by name, with the reason; empty when ready."""
        found = {}
        if problem := self.publisher.problem():
            found["rabbitmq"] = problem
        try:
            await self.store.run(calls.ping())
        except Exception as error:  # noqa: BLE001 - any failure is the answer
            found["redis"] = str(error)
        return found

    def start(self) -> None:
        """Begin to connect and to reconcile; needs neither RabbitMQ nor Redis to be there."""
        for each in self.inside:
            each.start()
        self.publisher.start()
        self.hub.start()
        self.reconciler.start()
        self.carry_out.start()
        self.health.start()
        self.access.start()

    async def stop(self) -> None:
        """Finish what is confirmed and close the connections."""
        await self.access.close()
        await self.health.close()
        await self.carry_out.close()
        await self.reconciler.close()
        await self.submitter.close()
        await self.hub.close()
        await self.publisher.close()
        for each in self.inside:
            each.stop()
        await self.store.close()
        if self.traces is not None:
            await asyncio.to_thread(self.traces.close)
