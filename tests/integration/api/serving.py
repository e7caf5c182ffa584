"""Runs Callboard as its users do, `callboard …` on free ports of loopback, and talks to it as they do."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from callboard.local.ports import accepts, free_ports
from callboard.local.process import ServerProcess
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]

#: What a log line must not hold, whatever clients send.
BUGS = ("Traceback (most recent call last)", " ERROR ", "[ERROR]", "[CRITICAL]")


@dataclass
class Board:
    """A running Callboard and a client of it."""

    mode: str
    port: int
    client: httpx.Client
    #: Where FILES_URL leads.
    files: Path
    processes: list[ServerProcess] = field(default_factory=list)
    namespace: str = ""
    dashboard_port: int = 0
    _read: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    def submit(self, task_type: str, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Submit a task, which must be accepted."""
        answer = self.client.post("/api/tasks", json=body(task_type, parameters, **fields))
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def run(self, task_type: str, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Submit a task and return it once it has ended."""
        return self.ended(self.submit(task_type, parameters, **fields)["task_id"])

    def get(self, task_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, task_id: str, wait: float = PATIENCE_S) -> dict[str, Any]:
        """Return a task once it has ended."""
        task = dict(self.client.get(f"/api/tasks/{task_id}", params={"wait": wait}).json())
        assert task["status"] in ("succeeded", "failed", "cancelled"), task
        return task

    def cpu_s(self) -> float:
        """Return the seconds of a processor that its processes have used."""
        found = 0.0
        for process in self.processes:
            family = psutil.Process(process.pid)
            for each in (family, *family.children(recursive=True)):
                times = each.cpu_times()
                found += times.user + times.system
        return found

    def new_bugs(self) -> list[str]:
        """Return log lines, written since the last call, that tell of a bug."""
        found = []
        for process in self.processes:
            text = process.log.read_text(encoding="utf-8", errors="replace")
            start = self._read.get(process.name, 0)
            self._read[process.name] = len(text)
            found += [line for line in text[start:].splitlines() if any(bug in line for bug in BUGS)]
        return found


def body(task_type: str, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"task_type": task_type, "parameters": parameters, **fields}


def _environment(folder: Path, path: Path | None, **settings: object) -> dict[str, str]:
    modules = [ROOT / "src", ROOT] if path is None else [path, ROOT / "src", ROOT]
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("CALLBOARD_")}
    ours = {"files_url": (folder / "files").as_uri(), **settings}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        **{f"CALLBOARD_{name.upper()}": str(value) for name, value in ours.items()},
    }


@contextmanager
def _process(name: str, folder: Path, env: Mapping[str, str]) -> Iterator[ServerProcess]:
    """Run `callboard NAME`; at the end it stops in good time and without a word of a bug."""
    process = ServerProcess(name, folder / f"{name}.log")
    process.start([sys.executable, "-m", "callboard", name], env)
    try:
        yield process
    finally:
        process.stop(timeout_s=PATIENCE_S)


@contextmanager
def _board(
    mode: str,
    folder: Path,
    command: str,
    namespace: str = "",
    path: Path | None = None,
    key: str = "",
    beside: tuple[str, ...] = (),
    **settings: object,
) -> Iterator[Board]:
    """Run `callboard COMMAND`, its modules also looked for in `path` first; the client sends `key`.

    With a stack comes its worker; `beside` names more programs.
    """
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    env = _environment(folder, path, port=port, namespace=namespace, **settings)
    with ExitStack() as stack:
        web = stack.enter_context(_process(command, folder, env))
        processes = [web]
        if mode == "stack":
            processes += [stack.enter_context(_process(name, folder, env)) for name in ("worker", *beside)]
        client = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                timeout=PATIENCE_S + 10,  # more than the longest ?wait=
                headers={"X-API-Key": key} if key else {},
            )
        )
        board = Board(mode, port, client, folder / "files", processes, namespace)
        web.wait_until(lambda: accepts(port), timeout_s=PATIENCE_S, what="the web process listens")
        if mode != "closed":
            web.wait_until(lambda: _serves(board), timeout_s=PATIENCE_S, what="Callboard is ready")
        yield board


def _serves(board: Board) -> bool:
    ready = board.client.get("/readyz").status_code == 200
    return ready and (board.mode == "web" or bool(board.client.get("/api/workers").json()["workers"]))


def embedded(folder: Path, **settings: object) -> Any:
    """`callboard run`."""
    return _board("embedded", folder, "run", **settings)


def without_c(folder: Path) -> Any:
    """`callboard run` where gunicorn's parser in C could not be built."""
    folder.mkdir(exist_ok=True)
    (folder / "gunicorn_h1c.py").write_text("raise ImportError\n", encoding="utf-8")
    return _board("embedded", folder, "run", path=folder)


def hasty(folder: Path) -> Any:
    """`callboard run` that waits for three seconds, instead of a minute, for the first request."""
    folder.mkdir(exist_ok=True)
    changed = "from web import connection\nconnection.HEAD_S, connection.LOOK_S = 3, 0.1\n"
    (folder / "sitecustomize.py").write_text(changed, encoding="utf-8")
    return _board("embedded", folder, "run", path=folder)


def stack(folder: Path, rabbitmq: RabbitNode, redis: RedisServer, namespace: str, **settings: object) -> Any:
    """`callboard web` and `callboard worker` on real servers."""
    servers = {"broker_url": rabbitmq.url, "redis_url": redis.url}
    return _board("stack", folder, "web", namespace, **servers, **settings)


def web_only(
    folder: Path, rabbitmq: RabbitNode, redis: RedisServer, namespace: str, **settings: object
) -> Any:
    """`callboard web` on real servers, and nobody who would run a task."""
    servers = {"broker_url": rabbitmq.url, "redis_url": redis.url}
    return _board("web", folder, "web", namespace, **servers, **settings)


def unready(folder: Path, broker_url: str, redis_url: str) -> Any:
    """`callboard web` whose servers may not be there."""
    return _board("closed", folder, "web", broker_url=broker_url, redis_url=redis_url)
