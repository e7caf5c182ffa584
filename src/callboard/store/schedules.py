"""Schedules as they stand in Redis, and every change of them, as Calls.

The promise that a tick has its task exactly once stands in `lua/schedule_settle.lua`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.store.keys import Keys
from callboard.store.scripts import Argument, Call, script, text
from callboard.tasks.ids import new_task_id
from callboard.tasks.record import TaskRecord, new_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What its owner says about a schedule; `task` is a submit body, as JSON."""

    name: str
    cron: str
    time_zone: str
    missed: str
    task: bytes
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule; times in milliseconds since the epoch."""

    schedule_id: str
    definition: Definition
    #: Grows with every change of the definition.
    version: int
    created_at: int
    updated_at: int
    #: The time up to which all ticks are settled.
    last_tick: int
    next_tick: int | None
    last_task_id: str | None
    #: The state of that task; None when its record is gone.
    last_status: str | None
    last_run_at: int | None
    runs: int
    skipped: int
    #: Why the last tick had no task.
    problem: str | None
    problem_at: int | None

    @property
    def tag(self) -> str:
        """Return the tag of its tasks."""
        return f"schedule:{self.schedule_id}"


_FIELDS: Final = (
    "last_task_id", "name", "cron", "time_zone", "missed", "task", "enabled", "version", "created_at",
    "updated_at", "last_tick", "last_run_at", "runs", "skipped", "problem", "problem_at",
)  # fmt: skip


def _schedule(row: Sequence[Any]) -> Schedule:
    schedule_id, next_tick, status, *values = row
    found: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))

    def words(name: str) -> str | None:
        return None if found[name] is None else text(found[name])

    def number(name: str) -> int | None:
        return None if found[name] is None else int(found[name])

    return Schedule(
        schedule_id=text(schedule_id),
        definition=Definition(
            name=text(found["name"]),
            cron=text(found["cron"]),
            time_zone=text(found["time_zone"]),
            missed=text(found["missed"]),
            task=found["task"],
            enabled=found["enabled"] == b"1",
        ),
        version=int(found["version"]),
        created_at=int(found["created_at"]),
        updated_at=int(found["updated_at"]),
        last_tick=int(found["last_tick"]),
        next_tick=int(next_tick) if next_tick else None,
        last_task_id=words("last_task_id"),
        last_status=text(status) or None,
        last_run_at=number("last_run_at"),
        runs=number("runs") or 0,
        skipped=number("skipped") or 0,
        problem=words("problem"),
        problem_at=number("problem_at"),
    )


def _rows(answer: Any) -> list[Schedule]:
    return [_schedule(row) for row in answer]


def newest(keys: Keys, at_most: int) -> Call[list[Schedule]]:
    """Read all schedules, the oldest first."""
    return Call(_rows, [keys.prefix, "all", "", at_most, *_FIELDS], script("schedules"))


def troubled(keys: Keys, at_most: int) -> Call[list[Schedule]]:
    """Read schedules whose last tick had no task, the oldest first."""
    return Call(_rows, [keys.prefix, "troubled", "", at_most, *_FIELDS], script("schedules"))


def due(keys: Keys, upto_ms: int, at_most: int) -> Call[list[Schedule]]:
    """Read schedules with a tick up to a time, the longest due first."""
    return Call(_rows, [keys.prefix, "due", upto_ms, at_most, *_FIELDS], script("schedules"))


def read(keys: Keys, schedule_id: str) -> Call[Schedule | None]:
    """Read one schedule."""
    return Call(
        lambda answer: next(iter(_rows(answer)), None),
        [keys.prefix, "one", schedule_id, 1, *_FIELDS],
        script("schedules"),
    )


def save(
    keys: Keys,
    schedule_id: str,
    fields: Mapping[str, Argument],
    *,
    expected: int | str,
    settled_ms: int | None,
    next_tick: int | str,
    at_most: int = 0,
) -> Call[str]:
    """Make or change a schedule; answers saved, absent, stale, or full.

    Args:
        keys: the key names.
        schedule_id: its id.
        fields: names and values of a Definition's fields, as `fields_of` gives them.
        expected: the version it must have, or "new".
        settled_ms: ticks up to then will never run; None to leave that as it is.
        next_tick: in milliseconds since the epoch, "" for none, "=" to leave it as it is.
        at_most: schedules there may be.
    """
    token = new_task_id()  # the same when this Call is sent twice
    flat = [part for pair in fields.items() for part in pair]
    settled = "" if settled_ms is None else settled_ms
    arguments = [keys.prefix, schedule_id, token, expected, at_most, settled, next_tick, *flat]
    return Call(text, arguments, script("schedule_save"))


def fields_of(definition: Definition) -> dict[str, Argument]:
    """Return the fields of a definition as they are kept."""
    return {
        "name": definition.name,
        "cron": definition.cron,
        "time_zone": definition.time_zone,
        "missed": definition.missed,
        "task": definition.task,
        "enabled": int(definition.enabled),
    }


def settle(
    keys: Keys,
    schedule: Schedule,
    last_tick: int,
    upto_ms: int,
    next_tick: int | None,
    *,
    skipped: int = 0,
    problem: str = "",
    record: TaskRecord | None = None,
) -> Call[bool]:
    """Settle ticks up to `upto_ms`, with the task of the last one or none; False when it has moved on.

    Args:
        keys: the key names.
        schedule: as the caller knows it, for its version.
        last_tick: up to when its ticks were settled before.
        upto_ms: up to when they are settled then.
        next_tick: when to look again.
        skipped: ticks that are left out.
        problem: why there is no task, though there should be one.
        record: the task.
    """
    token = new_task_id()  # the same when this Call is sent twice
    task: list[Argument] = [""]
    if record is not None:
        task = [
            record.task_id, record.task_type, record.priority.value, msgspec.json.encode(record.tags),
            *new_fields(record),
        ]  # fmt: skip
    return Call(
        lambda answer: text(answer) == "settled",
        [
            keys.prefix, schedule.schedule_id, token, schedule.version, last_tick, upto_ms,
            "" if next_tick is None else next_tick, skipped, problem, *task,
        ],
        script("schedule_settle", "create_record"),
    )  # fmt: skip


def ran(keys: Keys, schedule_id: str, task_id: str) -> Call[str]:
    """Note the task that somebody ran by hand."""
    return Call(text, [keys.prefix, schedule_id, task_id], script("schedule_ran"))


def delete(keys: Keys, schedule_id: str, expected: int | None) -> Call[str]:
    """Forget a schedule of the expected version (None: of any); answers deleted, absent, or stale."""
    return Call(text, [keys.prefix, schedule_id, expected or ""], script("schedule_delete"))
