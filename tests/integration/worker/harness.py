"""Real worker processes, and the way in that the web process has, for the tests of this folder."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pika

from callboard import bootstrap
from callboard.broker.topology import Topology
from callboard.local.process import LocalServerError, dying_with_parent
from callboard.service import Service
from callboard.settings import Settings
from callboard.store import calls
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from callboard.tasks.record import TaskRecord, view
from callboard.tasks.registry import Registry
from callboard.tasks.states import State
from tests.contract.broker.bench import Loop
from tests.patience import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[3]
TASKS = "tests.tasks_for_tests"
EXTRA = "tests.integration.worker.extra_tasks"


def soon(check: Callable[[], Any], what: str) -> None:
    """Wait until `check` is true."""
    wait_until(check, what=what, every_s=0.02)


class Worker:
    """One `callboard worker` process."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", "callboard", *arguments]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                dying_with_parent(command, "KILL"), cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """The process id, which its tasks return."""
        return self.process.pid

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text: str) -> None:
        """Wait until it has logged a text."""
        soon(lambda: text in self.log() or self.process.poll() is not None, f"the log says {text!r}")
        assert text in self.log(), f"it ended with {self.process.returncode}:\n{self.log()[-3000:]}"

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


class Installation:
    """One namespace on two servers: its workers, and the web process's way in."""

    def __init__(self, folder: Path, broker_url: str, redis_url: str, namespace: str) -> None:
        self.folder = folder
        self.settings = Settings(
            broker_url=broker_url,
            redis_url=redis_url,
            namespace=namespace,
            actors=(TASKS, EXTRA),
            files_url=(folder / "files").as_uri(),
            result_limit=10_000,
        )
        self.topology = Topology(namespace)
        self.keys = keys_for(namespace)
        self.redis = sync_client(redis_url)
        self.store = SyncStore(self.redis)
        self.loop = Loop()
        self.workers: list[Worker] = []
        self._names = 0
        self._service: Service | None = None
        self._registry: Registry | None = None

    @property
    def service(self) -> Service:
        """The web process's parts, connected."""
        if self._service is None:

            async def make() -> Service:
                made = bootstrap.service(self.settings)
                made.start()
                return made

            self._service = self.loop.run(make())
            self.wait_connected()
        return self._service

    def wait_connected(self) -> None:
        """Wait until tasks can be submitted (again)."""
        service = self.service
        soon(lambda: service.publisher.problem() is None, "the publisher is connected")

    @property
    def registry(self) -> Registry:
        """The task types as Python code beside Callboard sends them."""
        if self._registry is None:
            self._registry = bootstrap.connect(self.settings)
        return self._registry

    def close(self) -> None:
        """Kill the workers that are left, and disconnect."""
        if self._registry is not None:
            actor: Any = self._registry.get("echo").actor
            actor.broker.close()
        for each in self.workers:
            if each.process.poll() is None:
                each.kill()
        if self._service is not None:
            self.loop.run(self._service.stop())
        self.loop.close()
        self.store.close()

    # -- workers

    def worker(
        self, *arguments: str, threads: int = 4, actors: str = TASKS, ready: bool = True, **settings: str
    ) -> Worker:
        """Start a worker process and wait until it says that it is ready."""
        return self.run("worker", f"--threads={threads}", *arguments, actors=actors, ready=ready, **settings)

    def run(self, *arguments: str, actors: str = TASKS, ready: bool = True, **settings: str) -> Worker:
        """Start a command of Callboard's."""
        env = self.environment(actors, **settings)
        log = self.folder / f"{arguments[0]}-{len(self.workers)}.log"
        made = Worker(list(arguments), env, log)
        self.workers.append(made)
        if ready:
            made.wait_log(f"{arguments[0]} ready")
        return made

    def environment(self, actors: str = TASKS, **settings: str) -> dict[str, str]:
        """Return the environment of a process of this namespace."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "CALLBOARD_BROKER_URL": self.settings.broker_url,
            "CALLBOARD_REDIS_URL": self.settings.redis_url,
            "CALLBOARD_NAMESPACE": self.settings.namespace,
            "CALLBOARD_ACTORS": actors,
            "CALLBOARD_FILES_URL": self.settings.files_url,
            "CALLBOARD_RESULT_LIMIT": str(self.settings.result_limit),
            "dramatiq_restart_delay": "500",  # ms until a consumer whose connection broke begins again
        } | {f"CALLBOARD_{name.upper()}": value for name, value in settings.items()}

    def clear(self) -> None:
        """Kill the workers that are left and drop what waits in the queues."""
        for each in self.workers:
            if each.process.poll() is None:
                each.kill()
        with pika.BlockingConnection(pika.URLParameters(self.settings.broker_url)) as connection:
            channel = connection.channel()
            for queue in self.service.registry.queues():
                channel.queue_purge(self.topology.work_queue(queue))

    # -- tasks

    def path(self, name: str) -> str:
        """Return the path of a file that no other test uses."""
        self._names += 1
        return str(self.folder / f"{name}-{self._names}")

    def open_gate(self, gate: str) -> None:
        """Let tasks that wait for this file go on."""
        Path(gate).touch()

    def submit(self, task_type: str, parameters: dict[str, Any] | None = None, **body: Any) -> str:
        """Submit a task as a client does; return its id."""
        raw = {"task_type": task_type, "parameters": parameters or {}, **body}
        return self.submit_record(self.service.submitter.validate(raw))

    def submit_record(self, record: TaskRecord) -> str:
        """Submit a record that need not be valid."""
        return self.loop.run(self.service.submitter.submit(record)).task_id

    def submit_invalid(self, task_type: str, parameters: dict[str, Any]) -> str:
        """Submit parameters that an older version of the task type would have taken."""
        record = self.service.submitter.validate({"task_type": task_type})
        return self.submit_record(
            msgspec.structs.replace(record, parameters=msgspec.Raw(msgspec.json.encode(parameters)))
        )

    def submit_many(self, bodies: list[dict[str, Any]]) -> list[str]:
        """Submit tasks at the same time; return their ids in order."""
        submitter = self.service.submitter

        async def all_at_once() -> list[str]:
            done = await asyncio.gather(*(submitter.submit(submitter.validate(each)) for each in bodies))
            return [each.task_id for each in done]

        return self.loop.run(all_at_once())

    def cancel(self, task_id: str) -> None:
        """Cancel a task as a client does."""
        self.loop.run(self.service.board.cancel(task_id))

    def retry(self, task_id: str) -> None:
        """Retry a task as a client does."""
        self.loop.run(self.service.board.retry(task_id))

    def record(self, task_id: str) -> TaskRecord | None:
        """Return a task's record."""
        return self.store.run(calls.read(self.keys, task_id))

    def view(self, task_id: str) -> dict[str, Any]:
        """Return what a client sees of a task."""
        record = self.record(task_id)
        assert record is not None
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view(record)))
        return found

    def status(self, task_id: str) -> str | None:
        """Return a task's state."""
        record = self.record(task_id)
        return None if record is None else record.status.value

    def wait(self, task_id: str, status: State | None = None) -> dict[str, Any]:
        """Wait until a task has ended, or is in a state; return what a client sees of it."""

        def there() -> bool:
            record = self.record(task_id)
            return record is not None and (record.terminal if status is None else record.status is status)

        try:
            soon(there, f"the task is {status or 'at its end'}")
        except LocalServerError as error:
            logs = "\n".join(each.log()[-1500:] for each in self.workers[-2:])
            raise AssertionError(f"{error}: {self.record(task_id)}\n{logs}") from None
        return self.view(task_id)

    def lines(self, task_id: str) -> list[dict[str, Any]]:
        """Return a task's log."""
        return [json.loads(each) for each in self.store.run(calls.read_log(self.keys, task_id))]

    # -- what tasks and RabbitMQ have kept

    def ledger(self, path: str, what: str = "") -> list[dict[str, Any]]:
        """Return the entries of a ledger, of one kind if that is named."""
        file = Path(path)
        if not file.exists():
            return []
        entries = [json.loads(each) for each in file.read_text(encoding="utf-8").splitlines()]
        return [each for each in entries if what in ("", each["what"])]

    def wait_ledger(self, path: str, what: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many entries of one kind."""
        soon(lambda: len(self.ledger(path, what)) >= count, f"{count} × {what!r} in the ledger")
        return self.ledger(path, what)

    def dead_letters(self, queue: str = "default") -> list[dict[str, Any]]:
        """Take the dead letters of a queue."""
        found: list[dict[str, Any]] = []
        with pika.BlockingConnection(pika.URLParameters(self.settings.broker_url)) as connection:
            channel = connection.channel()
            while True:
                method, _, body = channel.basic_get(self.topology.dead_queue(queue), auto_ack=True)
                if method is None or body is None:
                    return found
                found.append(json.loads(body))

    def messages(self, queue: str = "default") -> int:
        """Return how many messages are ready in a queue."""
        with pika.BlockingConnection(pika.URLParameters(self.settings.broker_url)) as connection:
            declared = connection.channel().queue_declare(self.topology.work_queue(queue), passive=True)
            count: int = declared.method.message_count
            return count


@contextmanager
def installation(folder: Path, broker_url: str, redis_url: str, namespace: str) -> Iterator[Installation]:
    """Yield a namespace and take down what a test left running in it."""
    made = Installation(folder, broker_url, redis_url, namespace)
    try:
        yield made
    finally:
        made.close()
