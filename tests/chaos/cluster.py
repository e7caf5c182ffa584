"""A whole installation as processes of its own: RabbitMQ, Redis, proxies, web, workers, a scheduler.

All of it on loopback, with ports, node name and data in one folder. A thread of the harness plays the
supervisor: what dies is written to the ledger and started again within a second.
"""

import http.client
import json
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil
import redis

from callboard.local.ports import LOOPBACK, free_ports
from callboard.local.process import LocalServerError, ServerProcess, wait_until
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.chaos.ledger import Death, Ledger
from tests.chaos.proxy import Proxy
from tests.servers import ROOT, require_servers

#: Who is connected to what: one proxy link each, so that they can be cut one by one.
LINKS: Final = ("web-rabbitmq", "worker-rabbitmq", "web-redis", "worker-redis")
WATCH_S: Final = 0.02


class Program:
    """One of our own processes, kept running."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], folder: Path) -> None:
        self.name = name
        self.process = ServerProcess(name, folder / f"{name}.log")
        self._argv = argv
        self._env = env
        self.wanted = True
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the process that runs now, or None."""
        return self.process.pid if self.process.alive else None

    def look(self) -> int | None:
        """Start it if it does not run; return the pid of one that has died since the last look."""
        died = None
        if not self.process.alive:
            died, self._pid = self._pid, None
            if self.wanted:
                self.process.start(self._argv, self._env)
                self._pid = self.process.pid
        return died


class Cluster:
    """The installation; use as a context manager, from the main thread."""

    def __init__(
        self, folder: Path, *, webs: int = 2, workers: int = 3, threads: int = 4, drain_s: float = 3.0
    ) -> None:
        require_servers()
        self.folder = folder
        (folder / "sink/effects").mkdir(parents=True)
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.rabbitmq = RabbitNode(folder / "rabbitmq")
        self.redis = RedisServer(folder / "redis")
        self._sizes = (webs, workers)
        self._threads = threads
        self._drain_s = drain_s
        self.programs: dict[str, Program] = {}
        self.addresses: list[str] = []
        self._proxy: Proxy | None = None
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def __enter__(self) -> "Cluster":
        """Start everything; all is ready then."""
        try:
            self.rabbitmq.start()
            self.redis.start()
            self.redis.wait_ready()
            self.rabbitmq.wait_ready()
            behind = {"rabbitmq": self.rabbitmq.port, "redis": self.redis.port}
            self._proxy = Proxy({link: behind[link.partition("-")[2]] for link in LINKS})
            self._make_programs(*self._sizes)
            self._supervisor.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop everything."""
        self.stop()

    def _make_programs(self, webs: int, workers: int) -> None:
        ports = free_ports(webs, avoid=frozenset({self.rabbitmq.port, self.redis.port}))
        self.addresses = [f"{LOOPBACK}:{port}" for port in ports]
        for number, port in enumerate(ports, 1):
            self._add(f"web-{number}", ["web"], CALLBOARD_PORT=str(port))
        for number in range(1, workers + 1):
            self._add(f"worker-{number}", ["worker"])
        self._add("scheduler", ["scheduler"])

    def _add(self, name: str, command: list[str], **more: str) -> None:
        env = self._env("web" if name.startswith("web") else "worker") | more
        setpriv = shutil.which("setpriv")  # ends them with this process, however that ends
        prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        argv = [*prefix, sys.executable, "-m", "callboard", *command]
        self.programs[name] = Program(name, argv, env, self.folder)

    def environment(self) -> dict[str, str]:
        """Return the environment of a worker, for one more process of the installation."""
        return self._env("worker")

    def _env(self, who: str) -> dict[str, str]:
        assert self._proxy is not None
        ports = self._proxy.ports
        via = {
            "CALLBOARD_BROKER_URL": (self.rabbitmq.url, self.rabbitmq.port, ports[f"{who}-rabbitmq"]),
            "CALLBOARD_REDIS_URL": (self.redis.url, self.redis.port, ports[f"{who}-redis"]),
        }
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "CALLBOARD_ACTORS": "tests.chaos.chaos_tasks",
            "CALLBOARD_THREADS": str(self._threads),
            "CALLBOARD_DRAIN_TIMEOUT": str(self._drain_s),
            "CALLBOARD_FILES_URL": (self.folder / "files").as_uri(),
            "CHAOS_SINK": str(self.folder / "sink"),
            **{name: url.replace(f":{old}/", f":{new}/") for name, (url, old, new) in via.items()},
        }

    def _supervise(self) -> None:
        while not self._stopping.wait(WATCH_S):
            self._look()
        alive = [each.process for each in self.programs.values() if each.process.alive]
        for process in alive:  # here, because they end with the thread that started them
            os.kill(process.pid, signal.SIGCONT)
            os.kill(process.pid, signal.SIGTERM)
        with suppress(LocalServerError):
            wait_until(lambda: not any(each.alive for each in alive), timeout_s=15, what="all have stopped")
        for process in alive:
            process.kill()

    def _look(self) -> None:
        for program in self.programs.values():
            pid = program.look()
            if pid is not None:
                self.ledger.write(Death(pid=pid, name=program.name, at=time.time()))

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every web process is ready and every worker lets its heart beat."""
        names = [name for name in self.programs if name.startswith("worker")]

        def ready() -> bool:
            if any(get(address, "/readyz")[0] != 200 for address in self.addresses):
                return False
            status, found = get(self.addresses[0], "/api/workers")
            listed = {each["pid"] for each in found["workers"]} if status == 200 else set()
            return all(self.programs[name].pid in listed for name in names)

        wait_until(ready, timeout_s=timeout_s, what="web and workers are ready", every_s=0.1)

    def do(self, command: str, link: str) -> None:
        """Give the proxy a command (proxy.py) for one link."""
        assert self._proxy is not None
        self._proxy.do(command, link)

    def children(self, name: str) -> list[int]:
        """Return the pids of a program's children (gunicorn's workers)."""
        pid = self.programs[name].pid
        with suppress(psutil.Error):
            return [each.pid for each in psutil.Process(pid).children()]
        return []

    def records(self) -> redis.Redis:
        """Return a client of Redis itself, past the proxy."""
        return redis.Redis.from_url(self.redis.url, socket_timeout=10.0, socket_connect_timeout=10.0)

    def stop(self) -> None:
        """Stop everything there is."""
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        if self._proxy is not None:
            self._proxy.stop()
        self.redis.stop()
        self.rabbitmq.stop()
        self.ledger.close()


def get(address: str, path: str) -> tuple[int, Any]:
    """Return status and JSON of a GET; 0 when nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
