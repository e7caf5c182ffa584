"""Reads the workers' heartbeats and what the records say about queues. Pure Calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from callboard.store.keys import Keys
from callboard.store.scripts import Argument, Call, script, text

#: Seconds after its last heartbeat until a worker is no longer listed.
WORKER_TTL_S: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """One worker process; times in milliseconds since the epoch."""

    id: str
    host: str
    pid: int
    queues: list[str]
    threads: int
    running: list[str]
    started_at: int
    last_heartbeat: int
    cpu_percent: float
    memory_bytes: int
    done: int
    failed: int


def live(keys: Keys) -> Call[list[WorkerEntry]]:
    """Read the workers whose heart beats."""
    return _listed(keys, "live")


def lost(keys: Keys) -> Call[list[WorkerEntry]]:
    """Read the workers that have fallen silent without a word, within the last WORKER_KEPT_S."""
    return _listed(keys, "lost")


def _listed(keys: Keys, which: str) -> Call[list[WorkerEntry]]:
    return Call(
        lambda answer: [_worker(text(a), b) for a, b in answer],
        [keys.prefix, which, WORKER_TTL_S * 1000],
        script("workers"),
    )


def _worker(worker_id: str, flat: list[Any]) -> WorkerEntry:
    found = {text(name): text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}

    def names(field: str) -> list[str]:
        return [name for name in found.get(field, "").split(",") if name]

    return WorkerEntry(
        id=worker_id,
        host=found.get("host", ""),
        pid=int(found.get("pid", 0)),
        queues=names("queues"),
        threads=int(found.get("threads", 0)),
        running=names("running"),
        started_at=int(found.get("started_at", 0)),
        last_heartbeat=int(found.get("last_heartbeat", 0)),
        cpu_percent=float(found.get("cpu_percent", 0)),
        memory_bytes=int(found.get("memory_bytes", 0)),
        done=int(found.get("done", 0)),
        failed=int(found.get("failed", 0)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """What the records say of one queue, in numbers of tasks; `oldest_id` is the oldest queued.

    Times in milliseconds since the epoch: `waiting_since` is when the one that has waited longest was
    queued, None when nothing waits; `paused_since` None when the queue is not paused.
    """

    name: str
    high: int
    normal: int
    low: int
    scheduled: int
    retrying: int
    running: int
    failed: int
    oldest_id: str | None
    waiting_since: int | None = None
    paused_since: int | None = None

    @property
    def ready(self) -> int:
        """Return how many wait for a worker."""
        return self.high + self.normal + self.low


def queues(keys: Keys, types_by_queue: Mapping[str, list[str]]) -> Call[list[QueueEntry]]:
    """Read the queues' numbers; every queue is given with the task types that wait in it."""
    arguments: list[Argument] = [keys.prefix]
    for name, types in types_by_queue.items():
        arguments += [name, len(types), *types]
    return Call(lambda answer: [_queue(row) for row in answer], arguments, script("queues"))


def _queue(row: list[Any]) -> QueueEntry:
    numbers = [int(value) for value in row[1:8]]
    return QueueEntry(
        name=text(row[0]),
        high=numbers[0],
        normal=numbers[1],
        low=numbers[2],
        scheduled=numbers[3],
        retrying=numbers[4],
        running=numbers[5],
        failed=numbers[6],
        oldest_id=text(row[8]) or None,
        waiting_since=int(row[9]) if row[9] else None,
        paused_since=int(row[10]) if row[10] else None,
    )
