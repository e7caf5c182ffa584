"""The store on a bench: one executor on one server, with what the tests do again and again.

`run` is all that the two executors have in common; the rest are calls with everything filled in
that a test does not care about, and looks at what the scripts left in Redis.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import redis

from callboard.store import calls
from callboard.store.keys import Keys
from callboard.store.scripts import Call
from callboard.tasks.events import Event, decode
from callboard.tasks.ids import new_task_id
from callboard.tasks.message import of_record
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import Priority, State
from tests.patience import PATIENCE_S

T = TypeVar("T")

TTL_S = 3600
FAR_MS = 4_102_444_800_000  # the year 2100
ERROR = b'{"type":"ValueError","message":"no","traceback":null}'


def record(**changes: Any) -> TaskRecord:
    """Return a fresh task that differs from an ordinary one in `changes`."""
    fields: dict[str, Any] = {
        "task_id": new_task_id(),
        "task_type": "reverse_text",
        "status": State.QUEUED,
        "priority": Priority.NORMAL,
        "queue": "default",
        "parameters": msgspec.Raw(b'{"text":"stressed"}'),
        "max_retries": 3,
        "attempt_limit": 4,
        "time_limit_ms": 60_000,
        "created_at": 1_769_860_800_000,
    }
    return TaskRecord(**fields | changes)


class Bench:
    """One executor, its namespace, and a client of its own to look behind it."""

    def __init__(self, run: Callable[[Call[Any]], Any], keys: Keys, client: redis.Redis) -> None:
        self._run = run
        self.keys = keys
        self.client = client

    async def run(self, call: Call[T]) -> T:
        """Run the call with either executor."""
        answer = self._run(call)
        result: T = await answer if inspect.isawaitable(answer) else answer
        return result

    async def create(self, idempotency: calls.Idempotency | None = None, **changes: Any) -> TaskRecord:
        """Make a task and return it as it was handed to the store."""
        task = record(**changes)
        created = await self.run(calls.create(self.keys, task, idempotency))
        assert created == calls.Created("created", task.task_id)
        return task

    async def claim(
        self, task: TaskRecord, attempt: int = 0, due_ms: int | None = None, worker: str = "host:1"
    ) -> calls.Claim:
        """Ask to run the message that was sent after `attempt` attempts."""
        return await self.run(calls.claim(self.keys, task.task_id, worker, attempt, due_ms))

    async def rebuild(self, task: TaskRecord, due_ms: int | None = None) -> calls.Claim:
        """Ask to run a message whose record is gone."""
        message = of_record(task, due_ms)
        call = calls.claim_rebuilding(self.keys, message, "host:1", task.max_retries, task.time_limit_ms)
        return await self.run(call)

    async def running(self, **changes: Any) -> tuple[TaskRecord, int]:
        """Make a task that runs; return it and its run number."""
        task = await self.create(**changes)
        claim = await self.claim(task)
        assert claim.kind == "run"
        return task, claim.run

    async def conclude(self, task: TaskRecord, run: int, outcome: State, **ending: Any) -> str:
        """Record the end of a run."""
        end = calls.Ending(task_id=task.task_id, run=run, outcome=outcome, **ending)
        return await self.run(calls.conclude(self.keys, end, TTL_S))

    async def ended(self, outcome: State, **changes: Any) -> tuple[TaskRecord, int]:
        """Make a task that ran and ended."""
        task, run = await self.running(**changes)
        ending = {"result": b'"desserts"'} if outcome is State.SUCCEEDED else {"error": ERROR}
        assert await self.conclude(task, run, outcome, **ending) == "recorded"
        return task, run

    async def retrying(self, due_ms: int = 1, **changes: Any) -> tuple[TaskRecord, int]:
        """Make a task whose first attempt failed and that waits for its second."""
        task, run = await self.running(**changes)
        assert await self.conclude(task, run, State.RETRYING, error=ERROR, due_ms=due_ms) == "recorded"
        return task, run

    async def in_state(self, state: State, **changes: Any) -> TaskRecord:
        """Make a task that is in `state`."""
        if state is State.SCHEDULED:
            return await self.create(status=state, eta=FAR_MS, **changes)
        if state is State.QUEUED:
            return await self.create(**changes)
        if state is State.RUNNING:
            return (await self.running(**changes))[0]
        if state is State.RETRYING:
            return (await self.retrying(FAR_MS, **changes))[0]
        return (await self.ended(state, **changes))[0]

    async def read(self, task: TaskRecord) -> TaskRecord:
        """Read a task that is there."""
        found = await self.run(calls.read(self.keys, task.task_id))
        assert found is not None
        return found

    async def absent(self, task: TaskRecord) -> bool:
        """Tell whether there is no such task."""
        return await self.run(calls.read(self.keys, task.task_id)) is None

    async def history(self, task: TaskRecord) -> list[dict[str, Any]]:
        """Read the ended attempts but the last one."""
        return [json.loads(line) for line in (await self.read(task)).history.splitlines()]

    async def log(self, task: TaskRecord) -> list[dict[str, Any]]:
        """Read the captured log lines."""
        return [json.loads(line) for line in await self.run(calls.read_log(self.keys, task.task_id))]

    def lapse(self, task: TaskRecord, at_ms: int | None = None) -> None:
        """Let the lease of a run end (now), as it does when its worker dies."""
        self.client.hset(self.keys.task(task.task_id), "lease_ms", at_ms or self.now_ms())

    def hash(self, name: str) -> dict[str, str]:
        """Return a hash as `HGETALL` shows it."""
        found: Any = self.client.hgetall(self.keys.prefix + name)
        return {field.decode(): value.decode() for field, value in found.items()}

    def raw(self, task: TaskRecord) -> dict[str, str]:
        """Return the hash of a task."""
        return self.hash(f"task:{task.task_id}")

    def events(self, task: TaskRecord) -> list[Event]:
        """Return the kept events, oldest first."""
        kept = {int(k[2:]): v for k, v in self.raw(task).items() if k.startswith("e:")}
        return [decode(task.task_id, version, kept[version]) for version in sorted(kept)]

    def ttl_s(self, name: str) -> int:
        """Return the seconds a key lives, -1 for ever, -2 when there is none."""
        found: Any = self.client.ttl(self.keys.prefix + name)
        return int(found)

    def kind(self, name: str) -> str:
        """Return the type of a key in words."""
        found: Any = self.client.type(self.keys.prefix + name)
        return str(found.decode()).replace("zset", "sorted set")

    def names(self) -> set[str]:
        """Return all keys without their prefix."""
        found = self.client.scan_iter(match=f"{self.keys.prefix}*", count=1000)
        return {name.decode().removeprefix(self.keys.prefix) for name in found}

    def holding(self, task: TaskRecord) -> set[str]:
        """Return the names of the sorted sets that hold a task's id."""
        sets = [name for name in self.names() if self.kind(name) == "sorted set"]
        return {
            name for name in sets if self.client.zscore(self.keys.prefix + name, task.task_id) is not None
        }

    def score(self, name: str, task: TaskRecord) -> float | None:
        """Return a task's score in a sorted set."""
        found: float | None = self.client.zscore(self.keys.prefix + name, task.task_id)
        return found

    def now_ms(self) -> int:
        """Return Redis's clock."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def clear(self) -> None:
        """Delete all keys of the namespace."""
        if names := self.names():
            self.client.delete(*(self.keys.prefix + name for name in names))


def index(task: TaskRecord, state: State) -> str:
    """Return the name of the index that holds a task in that state."""
    return f"idx:{task.task_type}:{task.priority.value}:{state.value}"


class Watcher:
    """Hears everything published in a namespace."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._pubsub: Any = bench.client.pubsub()  # type: ignore[no-untyped-call]
        self._pubsub.psubscribe(f"{bench.keys.prefix}*")
        while self._next()["type"] != "psubscribe":
            pass

    def _next(self) -> Any:
        while (message := self._pubsub.get_message(timeout=PATIENCE_S)) is None:
            pass  # a wake-up without a message; pytest's timeout ends a wait for ever
        return message

    def heard(self) -> list[tuple[str, bytes]]:
        """Return the channel (without prefix) and data of everything published so far."""
        prefix = self._bench.keys.prefix
        self._bench.client.publish(f"{prefix}end", b"")
        found = []
        while (message := self._next())["channel"].decode() != f"{prefix}end":
            found.append((message["channel"].decode().removeprefix(prefix), message["data"]))
        return found

    def close(self) -> None:
        """Stop listening."""
        self._pubsub.close()
