"""What is written down while everything is being killed: by the client, by the tasks, by the harness.

One JSON object per line, appended with a single write to a file opened O_APPEND, so that a process may die
at any moment and several may write. checker.py reads nothing else but these lines and the records.
"""

import os
import threading
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="asked"):
    """One submit as its client saw it; times are seconds since the epoch."""

    #: The client's own name for it; the task writes it too, so that a task without known id is found.
    ref: str
    #: What was asked for: quick, work, failing, delayed, poison, innocent …
    kind: str
    #: `accepted` (202) · `refused` (503, must never run) · `told` (503 with an id: may run) ·
    #: `conflict` (409) · `unknown` (no answer: may run) · `down` (no connection) · `wrong` (any other)
    answer: str
    at: float
    took_ms: float
    task_id: str | None = None
    key: str | None = None
    due: float | None = None
    status: int = 0
    #: What a problem said.
    detail: str = ""
    #: How the record must end if nobody cancels it.
    end: str = "succeeded"


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    """`cancelled` (it waited: must never start again) · `asked` (it was running) · `other` · `unknown`."""

    task_id: str
    answer: str
    at: float


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """An end that a client was shown; it must stay what it was."""

    task_id: str
    status: str
    token: str | None
    at: float


class Again(msgspec.Struct, frozen=True, kw_only=True, tag="again"):
    """A failed or cancelled task was asked to run again: accepted (202), or without a clear answer.

    Without one it may run or not: nobody knows whether the service had heard the request.
    """

    task_id: str
    at: float
    answer: Literal["accepted", "unknown"] = "accepted"


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fault"):
    """Something was broken from `at` until `until`; healing takes a little longer."""

    kind: str
    at: float
    until: float
    #: The process it happened to, or None for all.
    pid: int | None = None
    #: Whether leases may run out while their worker still works.
    cuts_leases: bool = False


class Death(msgspec.Struct, frozen=True, kw_only=True, tag="death"):
    """A process of ours has ended."""

    pid: int
    name: str
    at: float


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """A line of a task: `start`, then `end`, `fail` or `stop` (interrupted); `effect` at the keyed sink."""

    event: str
    ref: str
    task_id: str
    attempt: int
    #: One per run of the function; the result of a task is the token of the run that made it.
    token: str
    pid: int
    at: float
    #: The processes that made this one, the nearest first: a keeper and its worker, when the task runs apart.
    parents: tuple[int, ...] = ()


Entry = Asked | Cancel | Seen | Again | Fault | Death | Step

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class Ledger:
    """Appends entries to a file; from any thread."""

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self._fsync = fsync
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, entry: Entry) -> None:
        """Append one entry; it is in the file when this returns."""
        line = _encode(entry) + b"\n"
        with self._lock:
            os.write(self._file, line)
            if self._fsync:
                os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> list[Entry]:
    """Return all entries; a last line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [_decode(line) for line in whole.splitlines() if line]


def of(entries: list[Entry], kind: type[T]) -> list[T]:
    """Return the entries of one kind."""
    return [each for each in entries if isinstance(each, kind)]
