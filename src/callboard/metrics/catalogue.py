"""Every metric there is, with its labels and who counts it; docs/metrics.md is compared with this.

Names follow prometheus.io/docs/practices/naming: base units, `_total` for counters. Every label takes few
values (LABELS): none of them holds an id, an address or a text from a client.
"""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import GaugeMetricFamily

#: Who exposes it: every web process its own part (summed over the processes of one service), every worker its
#: own, or every web service the same numbers of the whole installation, read from Redis at the scrape.
WEB, WORKER, FLEET, ALL = "web", "worker", "fleet", "all"

#: Seconds. A held request (`?wait=`) may take 60 s, a task a day.
HTTP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TASK_S: Final = (*HTTP_S, 300, 1800, 3600, 21_600)

LABELS: Final = {
    "task_type": "a task type of this installation",
    "queue": "a queue that a task type of this installation uses",
    "priority": "`high`, `normal` or `low`",
    "state": "one of the seven task states; in a queue, those of tasks that have not ended",
    "reason": "the last part of the problem's `type`, e.g. `validation`, `unavailable`, `too-large`",
    "outcome": "how a run ended: `succeeded`, `failed`, `cancelled` or `retrying`",
    "error": "the name of the exception's class; `other` after the first 20 of a task type; "
    "`Retry` when the task asked for another attempt",
    "method": "the HTTP method; `other` for one that no address has",
    "route": "the address with its names, e.g. `/api/tasks/{task_id}`; `none` for one that is not there",
    "status": "the HTTP status, e.g. `202`",
    "dependency": "`redis` or `rabbitmq`",
    "kind": "`sse` or `websocket`",
    "version": "Callboard's version",
    "python": "Python's version",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `name` as it stands in a query, a histogram's without `_bucket`, `_sum` and `_count`."""

    name: str
    kind: str
    where: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Return a fresh counter."""
        return Counter(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """Return a fresh histogram."""
        return Histogram(self.name, self.help, self.labels, registry=registry, buckets=self.buckets)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """Return a fresh gauge; of several processes, the sum over those that live."""
        return Gauge(self.name, self.help, self.labels, registry=registry, multiprocess_mode="livesum")

    def family(self) -> GaugeMetricFamily:
        """Return what is filled at the scrape."""
        return GaugeMetricFamily(self.name, self.help, labels=self.labels)


def _counter(name: str, where: str, text: str, *labels: str) -> Metric:
    return Metric(name, "counter", where, text, labels)


def _gauge(name: str, where: str, text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", where, text, labels)


SUBMITTED: Final = _counter(
    "callboard_tasks_submitted_total", WEB,
    "Tasks that clients asked for: accepted, replayed or refused; a batch counts each of its tasks.",
)  # fmt: skip
ACCEPTED: Final = _counter(
    "callboard_tasks_accepted_total", WEB, "Tasks that were recorded and confirmed by RabbitMQ (202).",
    "task_type", "queue", "priority",
)  # fmt: skip
REPLAYED: Final = _counter(
    "callboard_tasks_replayed_total", WEB,
    "Submits that repeated an Idempotency-Key and got the first answer again.",
)  # fmt: skip
REFUSED: Final = _counter(
    "callboard_tasks_refused_total", WEB,
    "Tasks that were not accepted; a batch that is refused as a whole counts once.", "reason",
)  # fmt: skip
HTTP: Final = Metric(
    "callboard_http_request_duration_seconds", "histogram", WEB,
    "From a request's headers to the beginning of its answer; a stream's own life does not count.",
    ("method", "route", "status"), HTTP_S,
)  # fmt: skip
WATCHERS: Final = _gauge("callboard_stream_watchers", WEB, "Open streams: SSE and WebSocket.", "kind")

RUN: Final = Metric(
    "callboard_task_run_seconds", "histogram", WORKER, "How long the task's own code ran, by attempt.",
    ("task_type", "queue", "priority"), TASK_S,
)  # fmt: skip
WAIT: Final = Metric(
    "callboard_task_wait_seconds", "histogram", WORKER,
    "From when an attempt could have run (submitted, due, or retried by hand) to its start.",
    ("task_type", "queue", "priority"), TASK_S,
)  # fmt: skip
RUNS: Final = _counter(
    "callboard_task_runs_total", WORKER, "Attempts that ended and were recorded.",
    "task_type", "queue", "outcome",
)  # fmt: skip
RETRIES: Final = _counter(
    "callboard_task_retries_total", WORKER, "Attempts that ended with another one to come.",
    "task_type", "queue", "error",
)  # fmt: skip
FAILURES: Final = _counter(
    "callboard_task_failures_total", WORKER, "Tasks that failed for good: they are dead letters now.",
    "task_type", "queue", "error",
)  # fmt: skip
IN_FLIGHT: Final = _gauge("callboard_tasks_in_flight", WORKER, "Tasks that run here now.", "queue")
THREADS: Final = _gauge("callboard_worker_threads", WORKER, "Tasks that can run here at the same time.")
WORKER_UP: Final = _gauge("callboard_worker_up", WORKER, "1 while this worker takes tasks, 0 while it stops.")

DEPTH: Final = _gauge(
    "callboard_queue_depth", FLEET, "Tasks that have not ended, by where they are.",
    "queue", "state", "priority",
)  # fmt: skip
DELAYED: Final = _gauge(
    "callboard_queue_delayed", FLEET, "Tasks that wait for their time: scheduled and retrying.", "queue"
)
DEAD: Final = _gauge(
    "callboard_queue_dead", FLEET, "Failed tasks that are kept, and can be retried.", "queue"
)
OLDEST: Final = _gauge(
    "callboard_queue_oldest_seconds", FLEET, "Age of the oldest queued task, 0 when there is none.", "queue"
)
SERVED: Final = _gauge("callboard_queue_workers", FLEET, "Workers whose heart beats that serve it.", "queue")
RECORDS: Final = _gauge("callboard_task_records", FLEET, "Task records in Redis.", "task_type", "state")
OUTBOX: Final = _gauge("callboard_outbox_entries", FLEET, "Tasks whose message RabbitMQ has not confirmed.")
OUTBOX_AGE: Final = _gauge(
    "callboard_outbox_age_seconds", FLEET, "Age of the oldest of them, 0 when there is none."
)
WORKERS: Final = _gauge("callboard_workers_up", FLEET, "Workers whose heart beats.")
UP: Final = _gauge("callboard_up", FLEET, "Whether it answers, as this web process sees it.", "dependency")
BUILD: Final = _gauge("callboard_build_info", ALL, "Always 1.", "version", "python")

CATALOGUE: Final = (
    SUBMITTED, ACCEPTED, REPLAYED, REFUSED, HTTP, WATCHERS,
    RUN, WAIT, RUNS, RETRIES, FAILURES, IN_FLIGHT, THREADS, WORKER_UP,
    DEPTH, DELAYED, DEAD, OLDEST, SERVED, RECORDS, OUTBOX, OUTBOX_AGE, WORKERS, UP, BUILD,
)  # fmt: skip

disable_created_metrics()  # when a counter began: a series more for each, and nobody asks
