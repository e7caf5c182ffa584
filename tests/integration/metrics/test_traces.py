"""Traces over the real path: a request, RabbitMQ, a worker, a retry, and a collector that gets it all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.api import serving
from tests.integration.api.serving import ROOT, Board
from tests.integration.metrics.collector import Collector, attributes_of, collecting
from tests.integration.metrics.conftest import TASKS
from tests.patience import PATIENCE_S, wait_until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def traced(
    collector: Collector,
    rabbitmq: RabbitNode,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Board]:
    folder, ours = tmp_path_factory.mktemp("traces"), {"traces": "on", "otlp_endpoint": collector.url}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # ms; the SDK reads it itself
        namespace = f"traces{os.getpid()}"
        with serving.stack(
            folder, rabbitmq, redis_server, namespace, actors=TASKS, log_format="json", **ours
        ) as board:
            web = board.processes[0]
            # A new RabbitMQ is told of every task that has not ended once more: then what runs would be
            # that second message, which is no retry's and knows of no attempt before it.
            web.wait_until(
                lambda: "RabbitMQ is new" in web.log.read_text(encoding="utf-8"),
                timeout_s=PATIENCE_S,
                what="it is seen",
            )
            board.run("echo", {"value": 1})
            yield board


def spans(collector: Collector, task_id: str, number: int) -> list[tuple[str, Any]]:
    """Return the spans of a task once so many have come."""
    wait_until(
        lambda: len(collector.spans(messaging__message__id=task_id)) >= number,
        what=f"{number} spans have come",
    )
    return collector.spans(messaging__message__id=task_id)


def test_one_trace_from_the_caller_to_every_attempt(traced: Board, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-ID": "mine-7"}
    body = {"task_type": "boom", "parameters": {"times": 1}, "max_retries": 1}
    task_id = traced.client.post("/api/tasks", json=body, headers=headers).json()["task_id"]
    traced.ended(task_id)
    (_, send), (served_by, first), (_, second) = spans(collector, task_id, 3)
    ((web, request),) = collector.spans(callboard__request_id="mine-7")
    assert {each.trace_id.hex() for each in (request, send, first, second)} == {TRACE}
    assert request.parent_span_id.hex() == SPAN
    assert send.parent_span_id == request.span_id
    assert first.parent_span_id == second.parent_span_id == send.span_id
    assert not first.links
    assert [link.span_id for link in second.links] == [first.span_id]
    assert (web, served_by) == ("callboard-web", "callboard-worker")
    assert (request.name, send.name, first.name) == ("POST /api/tasks", "send default", "process boom")
    assert attributes_of(request)["http.response.status_code"] == 202
    assert attributes_of(first)["callboard.outcome"] == "retrying"
    assert attributes_of(first)["error.type"]
    assert attributes_of(second)["callboard.outcome"] == "succeeded"
    assert [attributes_of(each)["callboard.attempt"] for each in (first, second)] == [1, 2]


def test_each_task_of_a_batch_has_its_own_span_below_the_request(traced: Board, collector: Collector) -> None:
    tasks = [{"task_type": "echo", "parameters": {"value": n}} for n in range(2)]
    answer = traced.client.post("/api/tasks/batch", json={"tasks": tasks}).json()
    found = [spans(collector, each["task"]["task_id"], 2) for each in answer["tasks"]]
    senders = [send for (_, send), _ in found]
    assert senders[0].parent_span_id == senders[1].parent_span_id
    assert senders[0].span_id != senders[1].span_id
    assert [each[1][1].parent_span_id for each in found] == [each.span_id for each in senders]


def test_a_task_retried_by_hand_stays_in_its_trace(traced: Board, collector: Collector) -> None:
    task = traced.run("permanent", {"value": 1})
    traced.client.post(task["links"]["retry"])
    (_, send), (_, first), (_, again) = spans(collector, task["task_id"], 3)
    assert first.parent_span_id == again.parent_span_id == send.span_id


def test_the_log_names_the_trace(traced: Board, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE[::-1]}-{SPAN}-01"}
    body = {"task_type": "permanent", "parameters": {"value": 1}}
    task_id = traced.client.post("/api/tasks", json=body, headers=headers).json()["task_id"]
    traced.ended(task_id)
    (worker,) = (each for each in traced.processes if each.name == "worker")

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(each) for each in worker.log.read_text(encoding="utf-8").splitlines()]
        return [each for each in found if each.get("task_id") == task_id]

    wait_until(lambda: bool(lines()), what="the worker says that it failed")
    assert lines()[0]["trace_id"] == TRACE[::-1]


@pytest.mark.parametrize("command", ["run", "worker"])
def test_traces_without_opentelemetry_are_refused_at_start(tmp_path: Path, command: str) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT / "src"), str(ROOT))),
        "CALLBOARD_TRACES": "on",
        "CALLBOARD_BROKER_URL": "amqp://127.0.0.1:1/",
        "CALLBOARD_REDIS_URL": "redis://127.0.0.1:1/",
    }
    argv = [sys.executable, "-m", "callboard", command]
    done = subprocess.run(
        argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "CALLBOARD_TRACES=on needs OpenTelemetry" in done.stderr
    assert "Traceback" not in done.stderr
