"""Fixtures of the streams' tests: Callboard in both modes with the task types of scripted.py."""

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from callboard.local.ports import free_ports
from callboard.local.process import ServerProcess
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.live.sse import Message, Sse
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


@dataclass
class Web:
    """One web process, or all of embedded mode."""

    process: ServerProcess
    port: int
    client: httpx.Client
    namespace: str = ""

    def events(self, task_id: str, after: int | None = None, **options: Any) -> Sse:
        """Open the stream of a task."""
        query = "" if after is None else f"?after={after}"
        return Sse(self.port, f"/api/tasks/{task_id}/events{query}", **options)

    def whole(self, task_id: str) -> list[Message]:
        """Return everything the stream of an ended task tells."""
        with self.events(task_id) as stream:
            found = list(stream)
            assert stream.complete
            return found

    def submit(self, *script: list[Any], **fields: Any) -> str:
        """Submit a scripted task."""
        return self.submit_type("scripted", {"script": list(script)}, **fields)

    def submit_type(self, task_type: str, parameters: dict[str, Any], **fields: Any) -> str:
        body = {"task_type": task_type, "parameters": parameters, **fields}
        answer = self.client.post("/api/tasks", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def run(self, *script: list[Any], **fields: Any) -> str:
        """Submit a scripted task and wait for its end."""
        task_id = self.submit(*script, **fields)
        self.ended(task_id)
        return task_id

    def ended(self, task_id: str) -> dict[str, Any]:
        task = dict(self.client.get(f"/api/tasks/{task_id}", params={"wait": PATIENCE_S}).json())
        assert task["status"] in ("succeeded", "failed", "cancelled"), task
        return task


@contextmanager
def started(command: str, folder: Path, port: int, **settings: object) -> Iterator[ServerProcess]:
    """Run `callboard COMMAND`; afterwards its log tells of no bug."""
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("CALLBOARD_")}
    ours = {
        "actors": "actors,tests.integration.live.scripted",
        "files_url": (folder / "files").as_uri(),
        "port": port,
        "heartbeat": 1,
        **settings,
    }
    env = {f"CALLBOARD_{name.upper()}": str(value) for name, value in ours.items()}
    process = ServerProcess(command, folder / f"{command}.log")
    process.start(
        [sys.executable, "-m", "callboard", command],
        {**inherited, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **env},
    )
    try:
        yield process
    finally:
        process.stop(timeout_s=PATIENCE_S)
        log = process.log.read_text(encoding="utf-8", errors="replace")
        log = re.sub(r"--- Logging error ---.*?\nArguments: ", "", log, flags=re.DOTALL)  # the tasks' own
        bugs = [line for line in log.splitlines() if "Traceback" in line or "ERROR" in line]
        assert bugs == [], log[log.index(bugs[0]) :][:3000]


@contextmanager
def web_process(command: str, folder: Path, port: int | None = None, **settings: object) -> Iterator[Web]:
    """Run a web process until it is ready."""
    port = port or free_ports(1)[0]
    with (
        started(command, folder, port, **settings) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S + 10) as client,
    ):
        process.wait_until(lambda: _ready(client), timeout_s=PATIENCE_S, what="it is ready")
        yield Web(process, port, client, str(settings.get("namespace", "")))


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_process("run", tmp_path_factory.mktemp("live-embedded")) as web:
        yield web


@dataclass
class Stack:
    """Two web processes and a worker on real servers; `more` runs another web process."""

    first: Web
    second: Web
    redis_url: str
    namespace: str
    more: Callable[..., AbstractContextManager[Web]]


@contextmanager
def running_stack(
    folder: Path, rabbitmq: RabbitNode, redis: RedisServer, **settings: object
) -> Iterator[Stack]:
    """Run two web processes and a worker on these servers."""
    namespace = f"l{secrets.token_hex(6)}"
    shared = {"broker_url": rabbitmq.url, "redis_url": redis.url, "namespace": namespace, **settings}
    made = 0

    def more(**others: Any) -> AbstractContextManager[Web]:
        nonlocal made
        made += 1
        return web_process("web", folder / f"web{made}", **{**shared, **others})

    with ExitStack() as stack:
        stack.enter_context(started("worker", folder / "worker", 5000, **shared))
        first, second = (stack.enter_context(more()) for _ in range(2))
        first.process.wait_until(
            lambda: bool(first.client.get("/api/workers").json()["workers"]),
            timeout_s=PATIENCE_S,
            what="a worker",
        )
        yield Stack(first, second, redis.url, namespace, more)


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitNode, redis_server: RedisServer
) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("live-stack"), rabbitmq, redis_server) as made:
        yield made


@pytest.fixture(params=("embedded", "stack"))
def web(request: pytest.FixtureRequest) -> Web:
    """A web process in each mode."""
    if request.param == "embedded":
        found: Web = request.getfixturevalue("embedded")
        return found
    made: Stack = request.getfixturevalue("stack")
    return made.first
