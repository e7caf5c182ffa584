"""What one worker process counts; worker/execute.py calls it from any of its threads."""

import threading
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from callboard.metrics import catalogue

#: Error classes counted by their own name for each task type; and characters of such a name.
ERRORS_MOST: Final = 20
NAME_MOST: Final = 64


class WorkerMetrics:
    """The counters of one worker process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._run = catalogue.RUN.histogram(registry)
        self._wait = catalogue.WAIT.histogram(registry)
        self._runs = catalogue.RUNS.counter(registry)
        self._retries = catalogue.RETRIES.counter(registry)
        self._failures = catalogue.FAILURES.counter(registry)
        self._in_flight = catalogue.IN_FLIGHT.gauge(registry)
        self._threads = catalogue.THREADS.gauge(registry)
        self._up = catalogue.WORKER_UP.gauge(registry)
        # Looking labels up takes longer than counting; two threads may both do it, and find the same.
        self._times_of: dict[tuple[str, str], tuple[Histogram, Histogram]] = {}
        self._runs_of: dict[tuple[str, str], Counter] = {}
        self._in_flight_of: dict[str, Gauge] = {}
        self._names: dict[str, set[str]] = {}
        self._naming = threading.Lock()

    def serves(self, threads: int) -> None:
        """The worker takes tasks."""
        self._threads.set(threads)
        self._up.set(1)

    def stops(self) -> None:
        """The worker takes no more tasks."""
        self._up.set(0)

    def running(self, queue: str, number: int) -> None:
        """So many more tasks of the queue run (1 or -1)."""
        found = self._in_flight_of.get(queue)
        if found is None:
            found = self._in_flight_of[queue] = self._in_flight.labels(queue)
        found.inc(number)

    def ran(self, task_type: str, queue: str, priority: str, wait_s: float, run_s: float) -> None:
        """One attempt's code has returned or raised."""
        key = (task_type, priority)
        found = self._times_of.get(key)
        if found is None:
            labels = (task_type, queue, priority)
            found = self._times_of[key] = (self._wait.labels(*labels), self._run.labels(*labels))
        found[0].observe(wait_s)
        found[1].observe(run_s)

    def ended(self, task_type: str, queue: str, outcome: str, error: str) -> None:
        """One attempt's end is recorded; `error` is the name of the exception's class, "" for none."""
        key = (task_type, outcome)
        found = self._runs_of.get(key)
        if found is None:
            found = self._runs_of[key] = self._runs.labels(task_type, queue, outcome)
        found.inc()
        if outcome == "retrying":
            self._retries.labels(task_type, queue, self._name(task_type, error)).inc()
        elif outcome == "failed":
            self._failures.labels(task_type, queue, self._name(task_type, error)).inc()

    def _name(self, task_type: str, error: str) -> str:
        """Return the error's label: a task that makes classes up must not fill the memory."""
        name = error[:NAME_MOST]
        with self._naming:
            known = self._names.setdefault(task_type, set())
            if name not in known and len(known) >= ERRORS_MOST:
                return "other"
            known.add(name)
            return name
