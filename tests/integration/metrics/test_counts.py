"""What is counted is what was done: every submit, refusal, run, retry and failure, over two web processes."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from callboard.metrics.catalogue import ALL, CATALOGUE, FLEET, WEB, WORKER
from tests.integration.api.serving import Board
from tests.integration.metrics.scraping import Scrape, scrape
from tests.patience import PATIENCE_S, wait_until

Look = Callable[[], Scrape]

REFUSED = [
    ("validation", {"json": {"task_type": "echo", "parameters": {}, "delay": -1}}),
    ("unknown-task-type", {"json": {"task_type": "nobody"}}),
    ("malformed-json", {"content": b"{"}),
    ("unsupported-media", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    ("too-large", {"content": b" " * (2**20 + 1), "headers": {"Content-Type": "application/json"}}),
    ("forbidden", {"json": {}, "headers": {"Origin": "http://elsewhere.example"}}),
]


def grown(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    """Return by how much the sum over all series with these labels has grown."""
    return after.total(name, **labels) - before.total(name, **labels)


def test_accepted_tasks_are_counted_over_both_processes(stack: Board, web: Look) -> None:
    before = web()
    body = {"task_type": "echo", "parameters": {"value": 1}, "priority": "high"}
    for _ in range(30):  # a connection each, so that both processes get some
        assert httpx.post(f"{stack.url}/api/tasks", json=body, timeout=PATIENCE_S).status_code == 202
    after = web()
    labels = {"task_type": "echo", "queue": "default", "priority": "high"}
    assert grown(before, after, "callboard_tasks_accepted_total", **labels) == 30
    assert grown(before, after, "callboard_tasks_submitted_total") == 30
    route = {"method": "POST", "route": "/api/tasks", "status": "202"}
    assert grown(before, after, "callboard_http_request_duration_seconds_count", **route) == 30
    assert grown(before, after, "callboard_http_request_duration_seconds_bucket", le="+Inf", **route) == 30


@pytest.mark.parametrize(("reason", "request_"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_refused_submit_is_counted_by_its_reason(
    stack: Board, web: Look, reason: str, request_: dict[str, Any]
) -> None:
    before = web()
    headers = {"Content-Type": "application/json", **request_.pop("headers", {})}
    answer = stack.client.post("/api/tasks", headers=headers, **request_)
    assert answer.json()["type"] == f"/problems/{reason}"
    after = web()
    assert grown(before, after, "callboard_tasks_refused_total", reason=reason) == 1
    assert grown(before, after, "callboard_tasks_refused_total") == 1
    assert grown(before, after, "callboard_tasks_submitted_total") == 1
    assert grown(before, after, "callboard_tasks_accepted_total") == 0


def test_every_task_of_a_batch_counts(stack: Board, web: Look) -> None:
    before = web()
    good, bad = {"task_type": "echo", "parameters": {"value": 1}}, {"task_type": "nobody"}
    assert stack.client.post("/api/tasks/batch", json={"tasks": [good, bad, good]}).status_code == 207
    after = web()
    assert grown(before, after, "callboard_tasks_accepted_total") == 2
    assert grown(before, after, "callboard_tasks_refused_total", reason="unknown-task-type") == 1
    assert grown(before, after, "callboard_tasks_submitted_total") == 3


def test_a_repeated_submit_is_no_second_task(stack: Board, web: Look) -> None:
    before = web()
    for _ in range(3):
        headers = {"Idempotency-Key": f"metrics-{stack.port}"}
        body = {"task_type": "echo", "parameters": {"value": 1}}
        assert stack.client.post("/api/tasks", json=body, headers=headers).status_code == 202
    after = web()
    assert grown(before, after, "callboard_tasks_accepted_total") == 1
    assert grown(before, after, "callboard_tasks_replayed_total") == 2
    assert grown(before, after, "callboard_tasks_submitted_total") == 3


def test_what_nobody_has_and_what_a_client_makes_up_share_one_label(stack: Board, web: Look) -> None:
    name = "callboard_http_request_duration_seconds_count"
    for number in range(3):
        stack.client.get(f"/api/nowhere/{number}")
        stack.client.get(f"/nowhere-{number}")
        stack.client.request(f"MADEUP{number}", "/api/tasks")
    found = web()
    assert not any("nowhere" in route for route in found.labels(name, "route"))
    assert not any("MADEUP" in method for method in found.labels(name, "method"))
    assert found.total(name, route="none", status="404") >= 3


def test_runs_retries_and_failures_are_counted_by_the_worker(stack: Board, worker: Look) -> None:
    before = worker()
    for _ in range(4):
        stack.run("echo", {"value": 1})
    stack.run("boom", {"times": 2}, max_retries=2)
    stack.run("boom", {"times": 9}, max_retries=1)
    stack.run("permanent", {"value": 1})
    stack.run("not_yet", {"times": 1})
    # The client hears of the end before the worker has counted it.
    wait_until(lambda: grown(before, worker(), "callboard_task_runs_total") == 12, what="12 runs")
    after = worker()

    def runs(**labels: str) -> float:
        return grown(before, after, "callboard_task_runs_total", **labels)

    assert runs(task_type="echo", outcome="succeeded") == 4
    assert runs(task_type="boom", outcome="retrying") == 3
    assert runs(task_type="boom", outcome="succeeded") == 1
    assert runs(task_type="boom", outcome="failed") == 1
    assert runs(task_type="permanent", outcome="failed") == 1
    assert runs(task_type="not_yet") == 2
    assert grown(before, after, "callboard_task_retries_total", task_type="boom") == 3
    assert grown(before, after, "callboard_task_retries_total", task_type="not_yet", error="Retry") == 1
    assert grown(before, after, "callboard_task_failures_total") == 2
    failed = {"task_type": "permanent", "queue": "default", "error": "Permanent"}
    assert grown(before, after, "callboard_task_failures_total", **failed) == 1
    for name in ("callboard_task_run_seconds_count", "callboard_task_wait_seconds_count"):
        assert grown(before, after, name) == 12
        assert grown(before, after, name, task_type="echo", queue="default", priority="normal") == 4


def test_a_running_task_is_in_flight_and_a_delayed_one_delayed(
    stack: Board, web: Look, worker: Look, tmp_path: Path
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    stack.submit("echo", {"value": 1}, delay=600, priority="low")
    task = stack.submit("gated", {"ledger": str(ledger), "gate": str(gate)})
    wait_until(ledger.exists, what="it runs")
    assert worker()("callboard_tasks_in_flight", queue="default") == 1
    wait_until(
        lambda: web()("callboard_queue_depth", queue="default", state="running", priority="normal") == 1,
        what="Redis says so",
    )
    found = web()
    assert found("callboard_queue_depth", queue="default", state="scheduled", priority="low") == 1
    assert found("callboard_queue_delayed", queue="default") == 1
    assert found("callboard_workers_up") == 1
    assert found("callboard_queue_workers", queue="email") == 1
    gate.touch()
    stack.ended(task["task_id"])
    wait_until(lambda: worker()("callboard_tasks_in_flight", queue="default") == 0, what="it has ended")


def test_watchers_are_counted_while_they_watch(stack: Board, web: Look) -> None:
    task = stack.submit("echo", {"value": 1}, delay=600)
    with stack.client.stream("GET", task["links"]["events"]) as answer:
        lines = answer.iter_lines()  # its end would be the stream's
        assert next(lines)
        wait_until(lambda: web()("callboard_stream_watchers", kind="sse") == 1, what="one watches")
    wait_until(lambda: web()("callboard_stream_watchers", kind="sse") == 0, what="nobody watches")


def test_every_metric_of_the_catalogue_is_there_and_no_other(stack: Board, web: Look, worker: Look) -> None:
    for look, where in ((web, {WEB, FLEET, ALL}), (worker, {WORKER, ALL})):
        kinds = {name: kind for name, kind in look().kinds.items() if not name.startswith("process_")}
        wanted = {each.name.removesuffix("_total"): each.kind for each in CATALOGUE if each.where in where}
        assert kinds == wanted


def test_embedded_mode_shows_all_of_it_on_one_page(embedded: Board) -> None:
    url = f"{embedded.url}/metrics"
    before = scrape(url)
    embedded.run("boom", {"times": 9}, max_retries=0)
    wait_until(
        lambda: grown(before, scrape(url), "callboard_task_failures_total", task_type="boom") == 1,
        what="the failure is counted",
    )
    found = scrape(url)
    assert grown(before, found, "callboard_tasks_accepted_total", task_type="boom") == 1
    wanted = {each.name.removesuffix("_total") for each in CATALOGUE}
    assert {name for name in found.kinds if name.startswith("callboard_")} == wanted
    assert found("callboard_up", dependency="redis") == found("callboard_up", dependency="rabbitmq") == 1


def test_openmetrics_is_spoken_to_those_who_ask(embedded: Board) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=junk"
    answer = embedded.client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("begin", [b"", b'{"task_type"'], ids=["nothing of it came", "a part of it came"])
def test_a_submit_whose_body_breaks_off_is_refused_too(embedded: Board, begin: bytes) -> None:
    url, head = (
        f"{embedded.url}/metrics",
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json",
    )
    before = scrape(url)
    with socket.create_connection(("127.0.0.1", embedded.port)) as client:
        client.sendall(head + b"\r\nContent-Length: 100\r\n\r\n" + begin)
        client.shutdown(socket.SHUT_WR)
    wait_until(
        lambda: grown(before, scrape(url), "callboard_tasks_refused_total", reason="incomplete-body") == 1,
        what="it is counted",
    )
