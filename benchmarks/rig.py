"""Private RabbitMQ and Redis, Callboard's processes on them, and wrk; all on loopback, all ended here."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer

ROOT = Path(__file__).resolve().parent.parent


class Rig:
    """The servers of one benchmark run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rabbitmq = RabbitNode(folder / "rabbitmq")
        self.redis = RedisServer(folder / "redis")

    def environment(self, port: int = 0) -> dict[str, str]:
        """Return the environment of one installation of its own on these servers."""
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "CALLBOARD_BROKER_URL": self.rabbitmq.url,
            "CALLBOARD_REDIS_URL": self.redis.url,
            "CALLBOARD_ACTORS": "benchmarks.tasks",
            "CALLBOARD_NAMESPACE": f"b{uuid.uuid4().hex[:8]}",
            "CALLBOARD_PORT": str(port or 5000),
            "BROKER_URL": self.rabbitmq.url,
        }

    @contextmanager
    def process(self, name: str, *argv: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program of ours inside the block."""
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen([sys.executable, "-m", *argv], env=env, cwd=ROOT, stderr=log, stdout=log)
            try:
                yield child
            finally:
                child.terminate()
                child.wait(timeout=60)

    @contextmanager
    def callboard_web(self, env: dict[str, str]) -> Iterator[str]:
        """Run `callboard web`; gives its address once it is ready."""
        address = f"http://127.0.0.1:{env['CALLBOARD_PORT']}"
        with self.process("web", "callboard", "web", env=env):
            wait_for(lambda: get(f"{address}/readyz") == 200, "callboard web is ready")
            yield address

    @contextmanager
    def plain_dramatiq(self, port: int) -> Iterator[str]:
        """Run the plain dramatiq peer: gunicorn with 2 processes of 8 threads."""
        address = f"http://127.0.0.1:{port}"
        argv = ["gunicorn", "-b", f"127.0.0.1:{port}", "-w", "2", "-k", "gthread", "--threads", "8"]
        env = self.environment(port)
        with self.process("peer", *argv, "benchmarks.peers.plain_dramatiq:app", env=env):
            wait_for(lambda: get(f"{address}/") == 404, "the peer is ready")
            yield address


@contextmanager
def rig() -> Iterator[Rig]:
    """Start the servers in a temporary folder; stop them and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as name:
        made = Rig(Path(name))
        made.rabbitmq.start()
        made.redis.start()
        try:
            made.rabbitmq.wait_ready()
            made.redis.wait_ready()
            yield made
        finally:
            made.rabbitmq.stop()
            made.redis.stop()


def free_port() -> int:
    """Return a free port of loopback."""
    return free_ports(1)[0]


def get(url: str) -> int:
    """Return the status of a GET, 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def get_json(url: str) -> Any:
    """Return the JSON of a GET."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


def post_json(url: str, body: Any) -> Any:
    """Return the JSON answer of a POST."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


def wait_for(ready: Any, what: str, timeout_s: float = 60.0) -> None:
    """Wait until `ready()`; raises TimeoutError."""
    end = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout_s:g} s until {what}")
        time.sleep(0.02)


def wrk(
    address: str, body: str, *, path: str = "/api/tasks", seconds: int = 8, connections: int = 32
) -> float:
    """Return requests a second of POSTs with wrk; raises RuntimeError when one is not a 2xx."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
            f"wrk.body = {json.dumps(body)}\n"
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, address + path]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk met errors:\n{said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise RuntimeError(f"wrk said nothing of requests a second:\n{said}")
    return float(found[1])
