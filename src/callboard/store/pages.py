"""Lists of tasks: which indexes answer a filter, and the page that is read from them. Pure."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from callboard.errors import FieldProblem, ValidationFailed
from callboard.store.keys import Keys
from callboard.store.scripts import Argument, Call, script, text
from callboard.tasks.ids import first_id_at, is_task_id
from callboard.tasks.record import FIELDS, TaskRecord, from_values
from callboard.tasks.states import Priority, State

T = TypeVar("T")

#: Tasks on one page at most.
LIMIT_MOST: Final = 200
#: Records one request looks at; a page may end before it is full, with a cursor to go on.
LOOK_AT_MOST: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks to list; an empty tuple does not filter."""

    status: tuple[State, ...] = ()
    types: tuple[str, ...] = ()
    priority: tuple[Priority, ...] = ()
    queue: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    created_after_ms: int | None = None
    created_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first; `next` is the cursor of the following one or None."""

    tasks: list[TaskRecord] = field(default_factory=list)
    next: str | None = None


def page(
    keys: Keys, wanted: Filter, known_types: Sequence[str], limit: int, cursor: str | None
) -> Call[Page]:
    """Read one page.

    Args:
        keys: the key names.
        wanted: the filter.
        known_types: all types that have indexes.
        limit: tasks wanted, 1 to LIMIT_MOST.
        cursor: from an earlier page, or None.

    Raises ValidationFailed for a cursor that is none.
    """
    after = None if cursor is None else _decode_cursor(cursor)
    return _look(keys, wanted, known_types, after, (limit, LOOK_AT_MOST), FIELDS, _page)


def ids(
    keys: Keys, wanted: Filter, known_types: Sequence[str], after_id: str | None, at_most: int
) -> Call[tuple[list[str], str | None]]:
    """Look at up to `at_most` tasks, newest first, for their ids; answers (ids, what to go on after)."""

    def read(answer: Any) -> tuple[list[str], str | None]:
        return [text(row[0]) for row in answer[1]], text(answer[0]) or None

    return _look(keys, wanted, known_types, after_id, (at_most, at_most), ("task_type",), read)


def exact_indexes(keys: Keys, wanted: Filter, known_types: Sequence[str]) -> list[str] | None:
    """Return indexes that hold the wanted tasks and no others, each in one of them; None if there are none.

    Their times of creation, and entries whose record has expired, are still to be left out.
    """
    indexes, filters = _plan(keys, wanted, known_types)
    return indexes if not filters and (not wanted.tag or len(indexes) == 1) else None


def bounds(wanted: Filter) -> tuple[str, str]:
    """Return the lowest and the highest id of a filter's times, as ZRANGEBYLEX takes them."""
    lower = "-" if wanted.created_after_ms is None else f"[{first_id_at(wanted.created_after_ms)}"
    upper = "+" if wanted.created_before_ms is None else f"({first_id_at(wanted.created_before_ms)}"
    return lower, upper


def _look(
    keys: Keys,
    wanted: Filter,
    known_types: Sequence[str],
    after: str | None,
    limits: tuple[int, int],
    fields: Sequence[str],
    read: Callable[[Any], T],
) -> Call[T]:
    """Read fields of tasks; `limits` are how many to answer and how many to look at."""
    indexes, filters = _plan(keys, wanted, known_types)
    lower, upper = bounds(wanted)
    if after is not None and (upper == "+" or after < upper[1:]):
        upper = f"({after}"
    arguments: list[Argument] = [keys.prefix, upper, lower, *limits, len(fields), *fields, len(filters)]
    for name, values in filters:
        arguments += [name, len(values), *values]
    return Call(read, arguments, script("page"), indexes)


def _plan(
    keys: Keys, wanted: Filter, known_types: Sequence[str]
) -> tuple[list[str], list[tuple[str, tuple[str, ...]]]]:
    """Choose the indexes that hold the fewest wrong tasks, and what is left to check per record."""
    filters: list[tuple[str, tuple[str, ...]]] = []
    if wanted.tag:
        for name, values in (
            ("status", wanted.status), ("task_type", wanted.types), ("priority", wanted.priority)
        ):  # fmt: skip
            if values:
                filters.append((name, tuple(str(value) for value in values)))
        if wanted.queue:
            filters.append(("queue", wanted.queue))
        return [f"{keys.prefix}tag:{tag}" for tag in dict.fromkeys(wanted.tag)], filters
    if wanted.queue:
        filters.append(("queue", wanted.queue))
    if not (wanted.status or wanted.types or wanted.priority):
        return [f"{keys.prefix}all"], filters
    types = [name for name in dict.fromkeys(wanted.types or known_types) if name in known_types]
    indexes = [
        f"{keys.prefix}idx:{task_type}:{priority.value}:{status.value}"
        for task_type in types
        for priority in dict.fromkeys(wanted.priority or tuple(Priority))
        for status in dict.fromkeys(wanted.status or tuple(State))
    ]
    return indexes, filters


def _page(answer: Any) -> Page:
    tasks = [from_values(text(row[0]), row[1:]) for row in answer[1]]
    last = text(answer[0])
    return Page([task for task in tasks if task is not None], _encode_cursor(last) if last else None)


def _encode_cursor(task_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(task_id.replace("-", ""))).decode().rstrip("=")


def _decode_cursor(cursor: str) -> str:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).hex()
    except ValueError:
        raw = ""
    task_id = "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
    if not is_task_id(task_id):
        detail = 'is no cursor of this service; take it from the last page\'s "next"'
        raise ValidationFailed([FieldProblem("/cursor", detail)])
    return task_id


def known_types(keys: Keys) -> Call[list[str]]:
    """Read the types that have indexes."""
    return Call(lambda answer: sorted(text(each) for each in answer), ["SMEMBERS", f"{keys.prefix}types"])
