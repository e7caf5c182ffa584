"""Queues, workers, statistics and health; which methods and addresses there are."""

import re
from pathlib import Path
from typing import Any

import pytest

from callboard.local.ports import free_ports
from callboard.local.redis import RedisServer
from tests.integration.api import problem, serving
from tests.integration.api.serving import Board, body
from tests.patience import wait_until

GETS = [
    "/",
    "/api/task-types",
    "/api/tasks",
    "/api/queues",
    "/api/workers",
    "/api/stats",
    "/healthz",
    "/readyz",
]


def queue(board: Board, name: str) -> dict[str, Any]:
    queues = board.client.get("/api/queues").json()["queues"]
    return next(dict(each) for each in queues if each["name"] == name)


def test_queues_say_what_waits_and_who_serves_it(board: Board) -> None:
    queues = board.client.get("/api/queues").json()["queues"]
    assert {each["name"]: each["task_types"] for each in queues} == {
        "data": ["data_processing"],
        "default": ["flaky", "long_running", "reverse_text", "sentiment"],
        "email": ["email_sending"],
        "files": ["file_processing"],
    }
    for each in queues:
        assert set(each) == {
            "name", "task_types", "ready", "by_priority", "unacked", "delayed", "dead", "consumers",
            "threads", "oldest_waiting_seconds", "rates", "paused", "paused_since",
        }  # fmt: skip
        assert set(each["by_priority"]) == {"high", "normal", "low"}
        assert each["consumers"] == 1


def test_a_scheduled_and_a_running_task_are_counted(board: Board) -> None:
    wait_until(lambda: queue(board, "default")["unacked"] == 0, what="nothing runs")
    before = queue(board, "default")
    waiting = board.submit("reverse_text", {"text": "a"}, delay=3600)
    running = board.submit("long_running", {"duration": 60})
    assert queue(board, "default")["delayed"] == before["delayed"] + 1
    wait_until(lambda: int(queue(board, "default")["unacked"]) == before["unacked"] + 1, what="it is counted")
    stats = board.client.get("/api/stats").json()["counts"]
    assert set(stats) == {"scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled"}
    assert stats["running"] >= 1
    for task in (waiting, running):
        board.client.post(task["links"]["cancel"])
        board.ended(task["task_id"])
    assert queue(board, "default")["delayed"] == before["delayed"]


def test_a_worker_shows_itself_and_what_it_runs(board: Board) -> None:
    (worker,) = board.client.get("/api/workers").json()["workers"]
    assert set(worker) == {
        "id", "host", "pid", "queues", "threads", "running", "started_at", "last_heartbeat", "cpu_percent",
        "memory_bytes", "done", "failed",
    }  # fmt: skip
    assert worker["queues"] == ["data", "default", "email", "files"]
    assert worker["memory_bytes"] > 1_000_000
    task = board.submit("long_running", {"duration": 60})

    def shown() -> bool:
        (worker,) = board.client.get("/api/workers").json()["workers"]
        return task["task_id"] in worker["running"]

    wait_until(shown, what="the heartbeat names the task")
    assert board.get(task["task_id"])["worker"] == worker["id"]
    board.client.post(task["links"]["cancel"])
    board.ended(task["task_id"])


def test_it_is_alive_and_ready(board: Board) -> None:
    assert board.client.get("/healthz").json() == {"status": "ok"}
    assert board.client.get("/readyz").json() == {
        "status": "ready",
        "rabbitmq": {"ok": True},
        "redis": {"ok": True},
    }


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_the_body(board: Board, path: str) -> None:
    get, head = board.client.get(path), board.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/tasks", {"GET", "HEAD", "POST"}),
        ("/api/tasks/batch", {"POST"}),
        ("/api/tasks/01a2033e-77b8-75bb-b329-f72e9b3743e9", {"GET", "HEAD", "DELETE"}),
        ("/api/tasks/01a2033e-77b8-75bb-b329-f72e9b3743e9/cancel", {"POST"}),
        ("/api/files", {"POST"}),
        ("/healthz", {"GET", "HEAD"}),
    ],
)
def test_the_methods_of_an_address_are_told(board: Board, path: str, methods: set[str]) -> None:
    options = board.client.options(path)
    assert options.status_code in (200, 204)
    assert set(options.headers["Allow"].split(", ")) - {"OPTIONS"} == methods
    refused = board.client.put(path)
    problem.check(refused, 405, "method-not-allowed")
    assert set(refused.headers["Allow"].split(", ")) - {"OPTIONS"} == methods


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api", "/api/tasks/", "/api/tasks//", "/static/../app.py", "/static/"]
)
def test_an_address_nobody_serves_is_not_found(board: Board, path: str) -> None:
    problem.check(board.client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["/static/..%2fapp.py", "/static/%2e%2e%2fapp.py", "/static/.%00", "/static/style.css%00"]
)
def test_static_files_have_no_way_out(board: Board, path: str) -> None:
    problem.check(board.client.get(path), 404, "not-found")


def test_the_page_allows_nothing_inline_and_nobody_else(board: Board) -> None:
    page = board.client.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_a_static_file_is_kept_for_good_under_its_version(board: Board) -> None:
    (address,) = re.findall(r'href="(/static/base\.css\?v=[0-9a-f]+)"', board.client.get("/").text)
    style = board.client.get(address)
    assert "immutable" in style.headers["Cache-Control"]
    again = board.client.get(address, headers={"If-None-Match": style.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = board.client.get("/static/base.css")
    assert plain.headers["Cache-Control"] == "no-cache"
    assert plain.text == style.text


def closed() -> str:
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


def test_without_its_servers_it_says_which_is_missing(tmp_path: Path) -> None:
    with serving.unready(tmp_path, f"amqp://u:secret@{closed()}/", f"redis://:secret@{closed()}/0") as board:
        answer = board.client.get("/readyz")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        found = answer.json()
        assert found["status"] == "unavailable"
        assert not found["rabbitmq"]["ok"]
        assert not found["redis"]["ok"]
        assert "secret" not in answer.text
        assert board.client.get("/healthz").status_code == 200
        assert board.client.get("/").status_code == 200
        refused = board.client.post("/api/tasks", json=body("reverse_text", {"text": "a"}))
        problem.check(refused, 503, "unavailable")
        assert refused.headers["Retry-After"]
        for path in ("/api/tasks", "/api/queues", "/api/workers", "/api/stats"):
            problem.check(board.client.get(path), 503, "unavailable")
        assert board.new_bugs() == []


def test_without_rabbitmq_a_task_is_refused_and_not_recorded(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    with serving.unready(tmp_path, f"amqp://u:p@{closed()}/", redis_server.url) as board:
        found = board.client.get("/readyz").json()
        assert (found["rabbitmq"]["ok"], found["redis"]["ok"]) == (False, True)
        batch = board.client.post(
            "/api/tasks/batch", json={"tasks": [body("reverse_text", {"text": "a"})] * 2}
        )
        assert [each["status"] for each in batch.json()["tasks"]] == [503, 503]
        problem.check(
            board.client.post("/api/tasks", json=body("reverse_text", {"text": "a"})), 503, "unavailable"
        )
        assert board.client.get("/api/tasks").json()["tasks"] == []
        assert board.new_bugs() == []
