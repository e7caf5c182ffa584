"""Every change of a record and every question about one, as a Call.

Pure: these functions only say what to send to Redis; docstrings give shapes and units. The
promises each script keeps stand in `lua/<name>.lua`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from callboard.store.keys import Keys
from callboard.store.scripts import Argument, Call, script, text, texts
from callboard.tasks.message import Envelope, priority_of
from callboard.tasks.record import FIELDS, TaskRecord, from_values, new_fields
from callboard.tasks.states import State

IDEMPOTENCY_TTL_S: Final = 86_400  # an Idempotency-Key is remembered
#: Seconds the tombstone of a rejected or deleted task stays: longer than its message can wait.
TOMBSTONE_TTL_S: Final = 7 * 86_400
#: A run's lease, renewed by heartbeats; when it ends, another worker may take the task over.
LEASE_MS: Final = 6_000
#: Seconds its entry is kept after a worker's last heartbeat, to say that it was lost (workers.py).
WORKER_KEPT_S: Final = 900
#: Starts of one attempt that may end with the worker's death …
STARTS_ALLOWED: Final = 10
#: … and how many of them beside other tasks; the others in a process of their own (worker/apart.py).
STARTS_TOGETHER: Final = 2
GIVEN_UP_MS: Final = 60_000  # after a lease's end: nobody is about to record the end of its run any more
#: Log lines kept per task.
LOG_LINES_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An Idempotency-Key with the fingerprint of the body it came with and the first answer."""

    key: str
    fingerprint: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """Outcome of `create`: `kind` is created, replay, in_flight or mismatch."""

    kind: str
    task_id: str
    answer: bytes = b""


def create(keys: Keys, record: TaskRecord, idempotency: Idempotency | None, by: str = "") -> Call[Created]:
    """Make the record, indexes, first event, outbox and idempotency entry; `by` is the API key's id."""
    tags = msgspec.json.encode(record.tags) if record.tags else b""
    idem = (idempotency.key, idempotency.fingerprint, idempotency.answer) if idempotency else ("", "", b"")
    return Call(
        _created,
        [
            keys.prefix, record.task_id, record.task_type, record.priority.value, record.status.value,
            "" if record.eta is None else record.eta, tags, *idem, IDEMPOTENCY_TTL_S,
            *new_fields(record), *(("by", by) if by else ()),
        ],
        script("create", "create_record"),
    )  # fmt: skip


def _created(answer: Any) -> Created:
    return Created(text(answer[0]), text(answer[1]), answer[2] if len(answer) > 2 else b"")


def settle(keys: Keys, sent: Sequence[tuple[str, int]]) -> Call[int]:
    """RabbitMQ has confirmed these messages (1 to 1,000): their tasks leave the outbox.

    Each is a task id and the version of the record that was sent: a later retry by hand is another message.
    """
    return Call(int, [keys.prefix, *(part for each in sent for part in each)], script("settle"))


def reject(keys: Keys, task_id: str) -> Call[str]:
    """Take a submit back; answers `rejected`, or `started` when a worker was faster."""
    return Call(text, [keys.prefix, task_id, TOMBSTONE_TTL_S], script("reject"))


@dataclass(frozen=True, slots=True)
class Claim:
    """`kind`: run · skip (ended, cancelled or another copy) · busy (another worker holds the lease,
    `wait_ms`) · early (not due, `wait_ms`) · paused (its queue is) · poison (its starts kept ending with its
    worker) · cancelled (its worker died before it could stop it) · absent (no record: `claim_rebuilding`).
    """

    kind: str
    run: int = 0
    attempt: int = 0
    attempt_limit: int = 1
    wait_ms: int = 0
    why: str = ""
    #: It has lost workers: this time it runs in a process of its own.
    apart: bool = False
    waited_ms: int = field(default=0, compare=False)  # from when the attempt could have run to its start


def claim(
    keys: Keys, task_id: str, worker: str, attempt_before: int, due_ms: int | None, token: str = ""
) -> Call[Claim]:
    """Ask to run a message, sent after `attempt_before` attempts and due at `due_ms`.

    With a `token`, the same request sent twice (its answer was lost) gets the first answer again.
    """
    return _claim_call(keys, task_id, worker, attempt_before, due_ms, *[""] * 8, token)


def claim_rebuilding(
    keys: Keys, message: Envelope, worker: str, max_retries: int, time_limit_ms: int, token: str = ""
) -> Call[Claim]:
    """Ask to run a message whose record is gone; the record is rebuilt from the message."""
    options = message.options
    rebuild = [
        message.actor_name, priority_of(options.broker_priority).value, message.queue_name,
        bytes(message.kwargs), max_retries, time_limit_ms, message.message_timestamp,
        msgspec.json.encode(options.tags) if options.tags else b"",
    ]  # fmt: skip
    return _claim_call(keys, message.message_id, worker, options.attempt, options.due_ms, *rebuild, token)


def _claim_call(keys: Keys, task_id: str, worker: str, *message: Argument | None) -> Call[Claim]:
    rest = ["" if each is None else each for each in message]
    arguments = [keys.prefix, task_id, worker, LEASE_MS, STARTS_ALLOWED, *rest, GIVEN_UP_MS]
    return Call(_claim, arguments, script("claim"))


def _claim(answer: Any) -> Claim:
    kind = text(answer[0])
    if kind == "skip":
        return Claim(kind, why=text(answer[1]))
    numbers = [*(int(each) for each in answer[1:]), 0, 0]
    if kind in ("busy", "early"):
        return Claim(kind, wait_ms=numbers[0])
    if kind == "run":
        run, attempt, limit, starts, waited_ms, *_ = numbers
        return Claim(kind, run, attempt, limit, apart=starts > STARTS_TOGETHER, waited_ms=waited_ms)
    return Claim(kind, numbers[0], numbers[1], why=str(numbers[2]) if kind == "poison" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. `result` and `error` are JSON; `due_ms` is when a retry runs."""

    task_id: str
    run: int
    outcome: State
    result: bytes = b""
    error: bytes = b""
    due_ms: int | None = None
    #: The last progress that was not written yet: fraction and stage.
    progress: tuple[float, str] | None = None
    #: The attempt does not count (Retry): one more may be started.
    free: bool = False


def conclude(keys: Keys, ending: Ending, result_ttl_s: int) -> Call[str]:
    """Record the end of a run; answers recorded, cancelled (not retried), repeated, stale or absent."""
    fraction, stage = ending.progress or ("", "")
    return Call(
        text,
        [
            keys.prefix, ending.task_id, ending.run, ending.outcome.value, ending.result, ending.error,
            "" if ending.due_ms is None else ending.due_ms, result_ttl_s, fraction, stage,
            "1" if ending.free else "",
        ],
        script("conclude"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogLine:
    """One captured log record; `at_ms` since the epoch."""

    level: str
    at_ms: int
    message: str


def report(
    keys: Keys,
    task_id: str,
    run: int,
    progress: tuple[float, str] | None,
    lines: Iterable[LogLine] = (),
    first: int = 0,
) -> Call[str]:
    """Write progress and log lines of a run; answers ok, stale or cancel (it should stop).

    `first` is the number of the first line within its run, from 1: lines that were written before are not
    written again, and a hole is told; with 0 they follow the last one.
    """
    fraction, stage = progress or ("", "")
    flat: list[str | bytes | int] = []
    for line in lines:
        flat += (line.level, line.at_ms, msgspec.json.encode(line.message))
    return Call(
        text, [keys.prefix, task_id, run, fraction, stage, LOG_LINES_KEPT, first, *flat], script("report")
    )


def beat(
    keys: Keys, worker: str, fields: dict[str, str | int | float], runs: Sequence[tuple[str, int]]
) -> Call[list[str]]:
    """Write a worker's heartbeat and renew its runs' leases; one of ok, stale, cancel per run."""
    flat = [part for pair in fields.items() for part in pair]
    return Call(
        texts,
        [keys.prefix, worker, WORKER_KEPT_S, LEASE_MS, len(fields), *flat, *(p for run in runs for p in run)],
        script("beat"),
    )


def release(keys: Keys, runs: Sequence[tuple[str, int]]) -> Call[str]:
    """Give runs back: their messages may be claimed by others at once."""
    return Call(text, [keys.prefix, *(part for run in runs for part in run)], script("release"))


def condemn(keys: Keys, task_id: str, run: int) -> Call[str]:
    """A run has killed the process it had for itself: it is poison at the next claim. ok or stale."""
    return Call(text, [keys.prefix, task_id, run], script("condemn"))


def gone(keys: Keys, worker: str) -> Call[str]:
    """Take a worker that stopped off the list."""
    return Call(text, [keys.prefix, worker], script("gone"))


def fail_unclaimed(keys: Keys, task_id: str, error: bytes, result_ttl_s: int) -> Call[str]:
    """Fail a task that no worker could start."""
    return Call(text, [keys.prefix, task_id, error, result_ttl_s], script("fail_unclaimed"))


def _pair(answer: Any) -> tuple[str, str]:
    return text(answer[0]), text(answer[1])


def cancel(keys: Keys, task_id: str, result_ttl_s: int) -> Call[tuple[str, str]]:
    """Cancel; answers (absent|done|asked|refused, the status before)."""
    return Call(_pair, [keys.prefix, task_id, result_ttl_s], script("cancel", "by_hand"))


def requeue(keys: Keys, task_id: str) -> Call[tuple[str, str]]:
    """Queue a failed or cancelled task again; answers (absent|queued|refused, status before)."""
    return Call(_pair, [keys.prefix, task_id], script("requeue", "by_hand"))


def forget(keys: Keys, task_id: str) -> Call[tuple[str, str]]:
    """Delete a finished task; answers (absent|deleted|refused, status before)."""
    return Call(_pair, [keys.prefix, task_id, TOMBSTONE_TTL_S], script("forget", "by_hand"))


def promote_due(keys: Keys, at_most: int = 500, look_after_ms: int | None = None) -> Call[int]:
    """Show tasks whose time has come as queued, and note them as `overdue`; answers how many."""
    return Call(int, [keys.prefix, at_most, "" if look_after_ms is None else look_after_ms], script("due"))


def take_outbox(keys: Keys, older_than_ms: int, at_most: int = 200) -> Call[list[str]]:
    """Take over unconfirmed messages; answers their task ids."""
    return Call(texts, [keys.prefix, older_than_ms, at_most], script("outbox"))


def read(keys: Keys, task_id: str) -> Call[TaskRecord | None]:
    """Read one record."""
    return Call(lambda answer: from_values(task_id, answer), ["HMGET", keys.task(task_id), *FIELDS])


def read_log(keys: Keys, task_id: str) -> Call[list[bytes]]:
    """Read the captured log lines, oldest first, each a JSON object."""
    return Call(list, ["LRANGE", keys.log(task_id), 0, -1])


def mark(keys: Keys, task_id: str, name: str) -> Call[int]:
    """Keep a name with the record (`Run.mark`)."""
    return Call(int, ["HSET", keys.task(task_id), f"mark:{name}", 1])


def marked(keys: Keys, task_id: str, name: str) -> Call[bool]:
    """Tell whether the name was kept (`Run.marked`)."""
    return Call(bool, ["HEXISTS", keys.task(task_id), f"mark:{name}"])


def counts(keys: Keys) -> Call[list[tuple[str, State, int]]]:
    """Count tasks by type and state."""
    return Call(
        lambda answer: [(text(a), State(text(b)), int(c)) for a, b, c in answer],
        [keys.prefix, *(state.value for state in State)],
        script("counts"),
    )


def ping() -> Call[bool]:
    """Ask whether Redis answers."""
    return Call(bool, ["PING"])
