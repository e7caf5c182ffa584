"""The whole installation in containers: up, use, scale, kill, restart, back up, down and up again.

One story, because each step takes seconds and needs the one before it. `make test-containers` runs it, with
whatever compose program there is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from callboard.local.ports import free_ports
from deploy.containers import dotenv
from deploy.containers.compose import Compose, find
from deploy.containers.env import load
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
COPIED = ("Dockerfile", ".dockerignore", "LICENSE", "pyproject.toml", "docker-compose.yml", "requirements",
          "src", "web", "actors", "deploy")  # fmt: skip


@dataclass
class Installation:
    """A checkout of its own, with a project name and ports of its own."""

    folder: Path

    def tried(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "deploy.containers", *arguments]
        return subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False)

    def run(self, *arguments: str) -> str:
        done = self.tried(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def compose(self) -> Compose:
        return find(self.folder, load(self.folder / ".env", os.environ), os.environ)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        env = self.compose.env
        connection = HTTPConnection("127.0.0.1", env.port("web")[1], timeout=PATIENCE_S)
        wanted = {"Authorization": f"Bearer {env.admin_key()}", "Content-Type": "application/json", **headers}
        connection.request(method, path, None if body is None else json.dumps(body), wanted)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content or b"null")

    def submit(self, number: int, task_type: str, parameters: Any, **more: Any) -> list[str]:
        tasks = [{"task_type": task_type, "parameters": parameters, **more}] * number
        status, answer = self.call("POST", "/api/tasks/batch", {"tasks": tasks})
        assert status == 207
        return [each["task"]["task_id"] for each in answer["tasks"]]

    def ended(self, task_ids: list[str], within_s: float = 120.0) -> list[Any]:
        """Return the tasks, each waited for until it has ended."""
        until, found = time.monotonic() + within_s, []
        for task_id in task_ids:
            while True:
                status, task = self.call("GET", f"/api/tasks/{task_id}?wait=20")
                assert status == 200, task
                if task["finished_at"]:
                    break
                assert time.monotonic() < until, task
            found.append(task)
        return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    made = Installation(folder)
    web, dashboard, rabbitmq = free_ports(3)
    dotenv.first_use(folder / ".env")
    for name, value in {
        "COMPOSE_PROJECT_NAME": f"callboard-test-{web}",
        "CALLBOARD_PORT": str(web),
        "CALLBOARD_DASHBOARD_PORT": str(dashboard),
        "CALLBOARD_RABBITMQ_UI_PORT": str(rabbitmq),
    }.items():
        dotenv.change(folder / ".env", name, value)
    try:
        made.run("up")
        yield made
    finally:
        compose = made.compose
        for each in compose.running("rabbitmq"):  # its data is not wanted any more
            compose.call("kill", each.id)
        subprocess.run(compose.argv("down", "--volumes", everything=True), cwd=folder, check=False)


def test_a_task_submitted_as_the_readme_says_runs(installed: Installation) -> None:
    status, task = installed.call(
        "POST",
        "/api/tasks",
        {"task_type": "reverse_text", "parameters": {"text": "stressed"}},
        Prefer="wait=10",
    )
    assert (status, task["result"]) == (200, "desserts")
    assert installed.call("GET", "/api/tasks", Authorization="")[0] == 401


def test_only_what_shall_be_published_is_and_on_loopback(installed: Installation) -> None:
    compose = installed.compose
    for each in compose.running():
        ports = compose.ask("port", each.id).split("\n")
        inside = {line.split("/")[0] for line in ports if line}
        assert inside == {"web": {"5000"}, "dashboard": {"5555"}, "rabbitmq": {"15672"}}.get(
            each.service, set()
        )
        assert all("127.0.0.1:" in line for line in ports if line)


def test_every_process_of_ours_is_healthy_and_no_root(installed: Installation) -> None:
    compose = installed.compose
    for each in compose.running():
        if each.service in ("web", "worker", "scheduler", "dashboard"):
            compose.ask("exec", each.id, "callboard", "health")
            assert compose.ask("exec", each.id, "id", "-u").strip() == "10001"
            assert compose.call("exec", each.id, "touch", "/app/x").returncode != 0


def test_three_workers_share_a_backlog_and_one_may_be_killed(installed: Installation) -> None:
    installed.run("scale", "3", "worker")
    tasks = installed.ended(installed.submit(120, "long_running", {"duration": 0.4}))
    shares = Counter(task["worker"] for task in tasks)
    assert len(shares) == 3
    assert min(shares.values()) >= 20
    under_way = installed.submit(60, "long_running", {"duration": 1})
    compose = installed.compose
    compose.ask("kill", compose.running("worker")[0].id)
    assert {task["status"] for task in installed.ended(under_way)} == {"succeeded"}
    installed.run("up")
    assert len(compose.running("worker")) == 3


def test_a_rolling_restart_loses_nothing(installed: Installation) -> None:
    under_way = installed.submit(60, "long_running", {"duration": 1})
    assert installed.run("restart").count("restarted in") == 6
    tasks = installed.ended(under_way)
    assert {(task["status"], task["attempts"]) for task in tasks} == {("succeeded", 1)}


def test_a_wrong_password_is_told_and_mended(installed: Installation) -> None:
    """As on a host whose Redis is another one's: its own would take the new password over."""
    file = installed.folder / ".env"
    before = file.read_text()
    url = installed.compose.env.get("CALLBOARD_REDIS_URL")
    dotenv.change(file, "COMPOSE_PROFILES", "web,worker")
    dotenv.change(file, "CALLBOARD_REDIS_URL", re.sub(r":[^:@]*@", ":anothers-Xq7-2kd9Ws-kd03@", url))
    done = installed.tried("up")
    assert done.returncode == 1
    assert done.stderr.startswith("callboard: Redis at redis:6379 refuses the user callboard; .env: CALLB")
    assert "not ready after" not in done.stderr
    dotenv.write_private(file, before)
    installed.run("up")
    (task_id,) = installed.submit(1, "reverse_text", {"text": "mended"})
    assert installed.ended([task_id])[0]["result"] == "dednem"


def test_a_key_is_made_in_a_container(installed: Installation) -> None:
    assert "cb_" in installed.run("key", "create", "billing", "--role", "submit")


def test_records_and_waiting_tasks_are_there_after_down_and_up(installed: Installation) -> None:
    (before,) = installed.submit(1, "reverse_text", {"text": "kept"})
    installed.ended([before])
    waiting = installed.submit(60, "long_running", {"duration": 2})
    later = installed.submit(5, "reverse_text", {"text": "later"}, delay=60)
    installed.run("down")
    assert installed.compose.containers() == []
    installed.run("up")
    assert installed.call("GET", f"/api/tasks/{before}")[1]["result"] == "tpek"
    assert {task["status"] for task in installed.ended(waiting + later)} == {"succeeded"}


def test_a_backup_brings_everything_back_when_the_volumes_are_lost(installed: Installation) -> None:
    compose = installed.compose
    (before,) = installed.submit(1, "reverse_text", {"text": "kept"})
    ended = installed.ended([before])
    task = {"task_type": "reverse_text", "parameters": {"text": "tick"}}
    schedule = {"name": "yearly", "cron": "0 0 1 1 *", "task": task}
    assert installed.call("POST", "/api/schedules", schedule)[0] == 201
    installed.call("POST", "/api/queues/data/pause")
    waiting = installed.submit(5, "data_processing", {"data": [3, 1, 4]})
    later = installed.submit(5, "reverse_text", {"text": "later"}, delay=30)
    running = installed.submit(2, "long_running", {"duration": 15})
    installed.run("backup", "saved")
    after = installed.submit(5, "reverse_text", {"text": "later than the backup"})
    for each in compose.running():  # as a disk that is lost: nobody says goodbye
        compose.call("kill", each.id)
    subprocess.run(compose.argv("down", "--volumes", everything=True), cwd=installed.folder, check=True)
    installed.run("restore", "saved")
    assert installed.ended([before]) == ended
    assert [each["name"] for each in installed.call("GET", "/api/schedules")[1]["schedules"]] == ["yearly"]
    assert "billing" in {each["name"] for each in installed.call("GET", "/api/keys")[1]["keys"]}
    assert installed.call("GET", f"/api/tasks/{after[0]}")[0] == 404
    installed.call("POST", "/api/queues/data/resume")
    tasks = installed.ended(waiting + later + running)
    assert {task["status"] for task in tasks} == {"succeeded"}
    assert installed.ended([before]) == ended
