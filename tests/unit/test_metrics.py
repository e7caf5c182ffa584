"""What is counted stays bounded, whatever clients and tasks make up."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from callboard.metrics.web import WebMetrics
from callboard.metrics.worker import ERRORS_MOST, WorkerMetrics


def series(registry: CollectorRegistry) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every series, by name."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_made_up_methods_share_one_label_and_are_not_kept() -> None:
    registry = CollectorRegistry()
    metrics = WebMetrics(registry)
    for number in range(1000):
        metrics.answered(f"M{number}", "/api/tasks", 405, 0.001)
        metrics.answered("GET", None, "404 Not Found", 0.001)
    counts = series(registry)["callboard_http_request_duration_seconds_count"]
    assert sorted((each["method"], each["route"], each["status"]) for each in counts) == [
        ("GET", "none", "404"),
        ("other", "/api/tasks", "405"),
    ]
    assert len(metrics._answers_of) == 1


def test_a_task_type_that_makes_errors_up_gets_twenty_names_and_other() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    for number in range(1000):
        metrics.ended("echo", "default", "failed", f"Error{number}" + "x" * 1000)
        metrics.ended("echo", "default", "retrying", f"Error{number}")
    metrics.ended("other_type", "default", "failed", "ValueError")
    found = series(registry)
    failures = found["callboard_task_failures_total"]
    names = {each["error"] for each in failures if each["task_type"] == "echo"}
    retried = {each["error"] for each in found["callboard_task_retries_total"]}
    assert "other" in names & retried
    assert len(names | retried) <= ERRORS_MOST + 1
    assert max(map(len, names)) <= 64
    assert {"task_type": "other_type", "queue": "default", "error": "ValueError"} in failures


def test_an_end_without_an_error_is_no_failure() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    for outcome in ("succeeded", "cancelled"):
        metrics.ended("echo", "default", outcome, "")
    found = series(registry)
    assert len(found["callboard_task_runs_total"]) == 2
    assert "callboard_task_failures_total" not in found
    assert "callboard_task_retries_total" not in found
