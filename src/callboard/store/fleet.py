"""Reads the numbers of the whole installation that metrics show, as one Call. Pure."""

from dataclasses import dataclass
from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks.states import State


@dataclass(frozen=True, slots=True)
class Group:
    """The tasks of one type and priority; `oldest_id` is the oldest queued."""

    task_type: str
    priority: str
    states: dict[State, int]
    oldest_id: str | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """All groups, and what waits for RabbitMQ's confirm; times in milliseconds since the epoch, by Redis."""

    now_ms: int
    outbox: int
    outbox_since_ms: int | None
    groups: list[Group]


def numbers(keys: Keys) -> Call[Numbers]:
    """Read them; takes as long with a million records as with none."""
    return Call(_numbers, [keys.prefix, *(state.value for state in State)], script("fleet"))


def _numbers(answer: Any) -> Numbers:
    now, outbox, since, rows = answer
    return Numbers(int(now), int(outbox), int(float(since)) or None, [_group(row) for row in rows])


def _group(row: list[Any]) -> Group:
    states = {state: int(number) for state, number in zip(State, row[2:-1], strict=True)}
    return Group(text(row[0]), text(row[1]), states, text(row[-1]) or None)
