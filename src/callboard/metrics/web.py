"""What one web process counts; submitting, the routes and the streams call it from the event loop."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from callboard.metrics import catalogue
from callboard.tasks.record import TaskRecord

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class WebMetrics:
    """The counters of one web process. What they are of is looked up once and then kept: 0.3 µs a count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._submitted = catalogue.SUBMITTED.counter(registry)
        self._replayed = catalogue.REPLAYED.counter(registry)
        self._accepted = catalogue.ACCEPTED.counter(registry)
        self._refused = catalogue.REFUSED.counter(registry)
        self._http = catalogue.HTTP.histogram(registry)
        watchers = catalogue.WATCHERS.gauge(registry)
        self.watchers: Final = {kind: watchers.labels(kind) for kind in ("sse", "websocket")}
        self._accepted_of: dict[tuple[str, str], Counter] = {}
        self._answers_of: dict[tuple[str, str | None, object], Histogram] = {}

    def accepted(self, record: TaskRecord) -> None:
        """One task was accepted."""
        self._submitted.inc()
        key = (record.task_type, record.priority)
        found = self._accepted_of.get(key)
        if found is None:
            found = self._accepted.labels(record.task_type, record.queue, record.priority.value)
            self._accepted_of[key] = found
        found.inc()

    def replayed(self) -> None:
        """One submit was the repetition of an earlier one."""
        self._submitted.inc()
        self._replayed.inc()

    def refused(self, reason: str) -> None:
        """One task, or a batch as a whole, was refused with this problem."""
        self._submitted.inc()
        self._refused.labels(reason).inc()

    def answered(self, method: str, route: str | None, status: object, seconds: float) -> None:
        """One request was answered; `status` begins with its number, `route` is its template."""
        found = self._answers_of.get((method, route, status))
        if found is None:
            named = method if method in METHODS else "other"
            found = self._http.labels(named, route or "none", str(status)[:3])
            if named == method:  # else a client could fill the memory with methods
                self._answers_of[(method, route, status)] = found
        found.observe(seconds)
