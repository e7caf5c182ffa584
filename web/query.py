"""Reads query strings and headers into values; a name nobody knows is an error, not ignored."""

import re
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

import falcon
import falcon.asgi

from callboard.errors import FieldProblem, ValidationFailed
from callboard.store.pages import LIMIT_MOST, Filter
from callboard.tasks.ids import is_task_id
from callboard.tasks.states import Priority, State
from callboard.tasks.times import from_rfc3339

T = TypeVar("T")

LIST_NAMES: Final = (
    "status", "type", "priority", "queue", "tag", "created_after", "created_before", "limit", "cursor",
)  # fmt: skip

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+(?:\.\d+)?)\"?(?:$|[,;\s])", re.IGNORECASE)


def refuse(name: str, detail: str) -> ValidationFailed:
    """Return the error for one query parameter or header."""
    return ValidationFailed([FieldProblem(f"/{name}", detail)])


def only(req: falcon.asgi.Request, names: Collection[str]) -> None:
    """Raise ValidationFailed for a query parameter that is none of `names`."""
    if req.params and (unknown := sorted(set(req.params) - set(names))):
        known = ", ".join(names) or "none"
        raise refuse(unknown[0], f"is no query parameter of this address; known: {known}")


def one(req: falcon.asgi.Request, name: str) -> str | None:
    """Return a parameter that may be given once."""
    values = many(req, name)
    if len(values) > 1:
        raise refuse(name, "is given more than once")
    return values[0] if values else None


def many(req: falcon.asgi.Request, name: str) -> list[str]:
    """Return all values of a parameter."""
    value: Any = req.params.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def task_id(text: str) -> str:
    """Return the id of a path; raises ValidationFailed when it is no UUID, HTTPNotFound when it is empty."""
    if not text:
        raise falcon.HTTPNotFound
    lowered = text.lower()
    if not is_task_id(lowered):
        raise refuse("task_id", f"{text[:60]!r} is no task id; ids are UUIDs such as 0199a3f2-…")
    return lowered


def seconds(req: falcon.asgi.Request, name: str, most: float) -> float:
    """Return a number of seconds from 0 to `most`; 0 when it is not given."""
    text = one(req, name)
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise refuse(name, f"{text[:40]!r} is no number of seconds from 0 to {most:g}")
    return value


def none_match(req: falcon.asgi.Request, tag: str) -> bool:
    """Tell whether If-None-Match names `tag`, compared weakly (RFC 9110, section 13.1.2)."""
    known = req.get_header("If-None-Match")
    if known is None:
        return False
    return known.strip() == "*" or tag in [each.strip().removeprefix("W/") for each in known.split(",")]


def preferred_wait(req: falcon.asgi.Request) -> float | None:
    """Return the seconds of `Prefer: wait=…` (RFC 7240), or None; what cannot be read is ignored."""
    header = req.get_header("Prefer")
    found = _WAIT.search(header) if header else None
    return float(found[1]) if found else None


def page_filter(req: falcon.asgi.Request) -> Filter:
    """Return the filter of a list request; raises ValidationFailed."""
    return Filter(
        status=_each(req, "status", State, [state.value for state in State]),
        types=tuple(many(req, "type")),
        priority=_each(req, "priority", Priority, [priority.value for priority in Priority]),
        queue=tuple(many(req, "queue")),
        tag=tuple(many(req, "tag")),
        created_after_ms=_time(req, "created_after"),
        created_before_ms=_time(req, "created_before"),
    )


def page_limit(req: falcon.asgi.Request, default: int = 50) -> int:
    """Return how many tasks to list; raises ValidationFailed."""
    return whole(req, "limit", default, LIMIT_MOST)


def whole(req: falcon.asgi.Request, name: str, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`; raises ValidationFailed."""
    text = one(req, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise refuse(name, f"{text[:40]!r} is no whole number from 1 to {most}")
    return int(text)


def _each(req: falcon.asgi.Request, name: str, make: Callable[[str], T], known: list[str]) -> tuple[T, ...]:
    found = []
    for text in many(req, name):
        try:
            found.append(make(text))
        except ValueError:
            raise refuse(name, f"{text[:40]!r} is none of {', '.join(known)}") from None
    return tuple(found)


def _time(req: falcon.asgi.Request, name: str) -> int | None:
    text = one(req, name)
    if text is None:
        return None
    try:
        return from_rfc3339(text.replace(" ", "+"))  # a + that was not escaped arrives as a blank
    except ValueError as error:
        raise refuse(name, str(error)) from None
