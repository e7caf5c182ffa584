"""The numbers of the whole installation, read from Redis when Prometheus asks.

A Redis that does not answer takes them away: a number that is not known is not shown as an old one. What this
process counts itself, and `callboard_up`, are always there.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import GaugeMetricFamily

from callboard.errors import Unavailable
from callboard.metrics import catalogue
from callboard.metrics.catalogue import Metric
from callboard.store import fleet, workers
from callboard.store.fleet import Numbers
from callboard.store.keys import Keys
from callboard.store.workers import WorkerEntry
from callboard.submit import AsyncRunner
from callboard.tasks.ids import created_ms
from callboard.tasks.states import TERMINAL, State

#: Seconds for which an answer is used again, and for which Redis is waited for.
KEPT_S: Final = 1.0
WAIT_S: Final = 2.0

Gauges = list[GaugeMetricFamily]


class Fleet:
    """Reads and keeps the numbers; one per web process, for its event loop."""

    def __init__(
        self,
        store: AsyncRunner,
        keys: Keys,
        types_by_queue: Mapping[str, list[str]],
        problem: Callable[[], str | None],
    ) -> None:
        self._store = store
        self._keys = keys
        self._queue_of = {kind: queue for queue, types in types_by_queue.items() for kind in types}
        self._queues = list(types_by_queue)
        self._problem = problem
        self._lock = asyncio.Lock()
        self._kept: Gauges = []
        self._until = 0.0

    async def gauges(self) -> Gauges:
        """Return what is known now; never raises for a Redis or RabbitMQ that is away."""
        async with self._lock:  # several who ask at once cost one look
            if time.monotonic() >= self._until:
                self._kept = await self._read()
                self._until = time.monotonic() + KEPT_S
            return self._kept

    async def _read(self) -> Gauges:
        up = catalogue.UP.family()
        up.add_metric(["rabbitmq"], 0.0 if self._problem() else 1.0)
        try:
            async with asyncio.timeout(WAIT_S):
                numbers, alive = await asyncio.gather(
                    self._store.run(fleet.numbers(self._keys)), self._store.run(workers.live(self._keys))
                )
        except (Unavailable, TimeoutError):
            up.add_metric(["redis"], 0.0)
            return [up]
        up.add_metric(["redis"], 1.0)
        return [up, *self._records(numbers), *self._by_queue(numbers), *self._alive(alive), *_outbox(numbers)]

    def _records(self, numbers: Numbers) -> Gauges:
        records: Counter[tuple[str, ...]] = Counter()
        depth: Counter[tuple[str, ...]] = Counter()
        for group in numbers.groups:
            queue = self._queue_of.get(group.task_type)
            for state, number in group.states.items():
                records[group.task_type, state.value] += number
                if state not in TERMINAL and queue is not None:
                    depth[queue, state.value, group.priority] += number
        return [_family(catalogue.RECORDS, records), _family(catalogue.DEPTH, depth)]

    def _by_queue(self, numbers: Numbers) -> Gauges:
        delayed, dead, oldest = (dict.fromkeys(self._queues, 0.0) for _ in range(3))
        for group in numbers.groups:
            queue = self._queue_of.get(group.task_type)
            if queue is None:
                continue
            delayed[queue] += group.states[State.SCHEDULED] + group.states[State.RETRYING]
            dead[queue] += group.states[State.FAILED]
            if group.oldest_id is not None:
                age_s = (numbers.now_ms - created_ms(group.oldest_id)) / 1000
                oldest[queue] = max(oldest[queue], age_s)
        return [
            _family(catalogue.DELAYED, {(queue,): number for queue, number in delayed.items()}),
            _family(catalogue.DEAD, {(queue,): number for queue, number in dead.items()}),
            _family(catalogue.OLDEST, {(queue,): number for queue, number in oldest.items()}),
        ]

    def _alive(self, alive: list[WorkerEntry]) -> Gauges:
        served = {(queue,): sum(queue in each.queues for each in alive) for queue in self._queues}
        return [_family(catalogue.SERVED, served), _family(catalogue.WORKERS, {(): len(alive)})]


def _outbox(numbers: Numbers) -> Gauges:
    since = numbers.outbox_since_ms
    age_s = 0.0 if since is None else max(0, numbers.now_ms - since) / 1000
    return [
        _family(catalogue.OUTBOX, {(): numbers.outbox}),
        _family(catalogue.OUTBOX_AGE, {(): age_s}),
    ]


def _family(metric: Metric, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = metric.family()
    for labels, value in values.items():
        family.add_metric(list(labels), value)
    return family
