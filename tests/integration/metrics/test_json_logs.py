"""LOG_FORMAT=json: every line of web and worker is an object and says which request or task it is about."""

import json
from pathlib import Path
from typing import Any

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.integration.metrics.conftest import TASKS
from tests.patience import wait_until


def lines(board: Board, name: str) -> list[dict[str, Any]]:
    """Return the log of a process; raises ValueError for a line that is no JSON."""
    (process,) = (each for each in board.processes if each.name == name)
    return [json.loads(each) for each in process.log.read_text(encoding="utf-8").splitlines()]


def test_every_line_is_json_and_names_its_request_or_task(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path: Path, namespace: str
) -> None:
    settings = {"actors": TASKS, "log_format": "json", "access_log": "on"}
    with serving.stack(tmp_path, rabbitmq, redis_server, namespace, **settings) as board:
        headers = {"X-Request-ID": "mine-1", "Authorization": "Bearer hunter2"}
        body = {"task_type": "boom", "parameters": {"times": 9}, "max_retries": 0}
        answer = board.client.post("/api/tasks?", json=body, headers=headers)
        task_id = answer.json()["task_id"]
        board.ended(task_id)
        wait_until(
            lambda: any(each.get("task_id") == task_id for each in lines(board, "worker")),
            what="the worker says so",
        )
    (access,) = (each for each in lines(board, "web") if each.get("request_id") == "mine-1")
    assert access["logger"] == "callboard.access"
    assert (access["method"], access["route"], access["status"]) == ("POST", "/api/tasks", 202)
    assert 0 < access["duration_ms"] < 60_000
    failed = next(each for each in lines(board, "worker") if each.get("task_id") == task_id)
    assert (failed["task_type"], failed["queue"], failed["attempt"]) == ("boom", "default", 1)
    assert failed["worker"].endswith(f":{failed['process']}")
    for name in ("web", "worker"):
        assert all({"time", "level", "logger", "message"} <= set(each) for each in lines(board, name))
        assert "hunter2" not in str(lines(board, name))
