"""`/api/stats` and the histograms of a real run, against the times that its records hold."""

import math
from datetime import datetime
from typing import Any

import pytest

from tests.integration.api.serving import Board
from tests.integration.metrics.scraping import scrape
from tests.patience import wait_until

TASKS = 64
#: The buckets of the statistics are this far apart, and their times have whole milliseconds.
APART, MS = math.sqrt(2), 0.0015


def seconds(task: dict[str, Any], begin: str, end: str) -> float:
    return (datetime.fromisoformat(task[end]) - datetime.fromisoformat(task[begin])).total_seconds()


def exact(times: list[float], fraction: float) -> float:
    return sorted(times)[max(0, math.ceil(fraction * len(times)) - 1)]


@pytest.fixture(scope="module")
def ended(embedded: Board) -> list[dict[str, Any]]:
    """Tasks of many lengths, more than there are threads, so that they wait as well."""
    bodies = [
        {"task_type": "long_running", "parameters": {"duration": 0.02 + 0.4 * (n / TASKS) ** 3}}
        for n in range(TASKS)
    ]
    answer = embedded.client.post("/api/tasks/batch", json={"tasks": bodies}).json()
    return [embedded.ended(each["task"]["task_id"]) for each in answer["tasks"]]


@pytest.mark.parametrize(("kind", "begin", "end"), [("run", "started_at", "finished_at"),
                                                    ("wait", "created_at", "started_at")])  # fmt: skip
def test_percentiles_are_those_of_the_records(
    embedded: Board, ended: list[dict[str, Any]], kind: str, begin: str, end: str
) -> None:
    times = [seconds(task, begin, end) for task in ended]
    found = embedded.client.get("/api/stats").json()["types"]["long_running"]
    assert found["succeeded"] == TASKS
    for name, fraction in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value = exact(times, fraction)
        assert (value - MS) / APART <= found[kind][name] <= (value + MS) * APART, (name, value, found[kind])


def test_the_histograms_of_the_metrics_hold_the_same_runs(
    embedded: Board, ended: list[dict[str, Any]]
) -> None:
    labels = {"task_type": "long_running", "queue": "default", "priority": "normal"}
    url = f"{embedded.url}/metrics"
    wait_until(
        lambda: scrape(url)("callboard_task_run_seconds_count", **labels) == TASKS, what="all are counted"
    )
    found = scrape(url)
    waits = [seconds(task, "created_at", "started_at") for task in ended]
    assert found("callboard_task_wait_seconds_sum", **labels) == pytest.approx(sum(waits), abs=TASKS * MS)
    assert found("callboard_task_wait_seconds_count", **labels) == TASKS
    runs = [seconds(task, "started_at", "finished_at") for task in ended]
    # From inside the worker: without the way to Redis and back, which the records have on top.
    assert 0.02 * TASKS < (found("callboard_task_run_seconds_sum", **labels) or 0) <= sum(runs) + TASKS * MS
    short = sum(each <= 0.25 - 0.01 for each in runs)
    assert (found("callboard_task_run_seconds_bucket", le="0.25", **labels) or 0) >= short
