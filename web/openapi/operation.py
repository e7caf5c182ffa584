"""How one address is described; the tables are in tasks.py and fleet.py."""

from dataclasses import dataclass, field
from typing import Any, Final

from callboard.board import WAIT_MOST_S
from callboard.store.pages import LIMIT_MOST
from callboard.tasks.states import Priority, State

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter or header; `schema` is JSON Schema."""

    name: str
    says: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeats: bool = False
    header: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no error. `shape` None: it has no body, or `media` says what it is."""

    says: str
    shape: Any = None
    media: str = JSON
    #: Headers it carries, with what they say.
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address."""

    group: str
    #: An imperative line, and more if there is more to say.
    says: str
    more: str = ""
    answers: dict[int, Answer]
    query: tuple[Query, ...] = ()
    #: The struct that reads the body.
    body: Any = None
    body_required: bool = True
    #: A body to show; None: one made of the struct.
    example: Any = None
    #: Other media types than JSON that it takes.
    takes: tuple[str, ...] = ()
    #: Kinds of problems.KINDS beside those that every address has.
    problems: tuple[str, ...] = ()


def wait(what: str) -> Query:
    """Return `?wait=`."""
    number = {"type": "number", "minimum": 0, "maximum": WAIT_MOST_S}
    return Query("wait", f"Seconds to hold the answer until the {what} has ended.", number)


def whole(name: str, says: str, default: int, most: int) -> Query:
    """Return a parameter that takes a whole number."""
    return Query(name, says, {"type": "integer", "minimum": 1, "maximum": most, "default": default})


_TIME: Final = {"type": "string", "format": "date-time"}
FILTER: Final = (
    Query("status", "Tasks in this state.", {"type": "string", "enum": [each.value for each in State]}, True),
    Query("type", "Tasks of this type.", repeats=True),
    Query(
        "priority",
        "Tasks of this priority.",
        {"type": "string", "enum": [each.value for each in Priority]},
        True,
    ),
    Query("queue", "Tasks of this queue.", repeats=True),
    Query("created_after", "Tasks created at this time or later (RFC 3339).", _TIME),
    Query("created_before", "Tasks created before this time.", _TIME),
)
TAG: Final = Query("tag", "Tasks with this tag.", repeats=True)
CURSOR: Final = Query("cursor", "`next` of the page before.")
LIMIT: Final = whole("limit", "Tasks on the page.", 50, LIMIT_MOST)
IDEMPOTENCY: Final = Query(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters. The same key with the same body within 24 hours gets the first "
    "answer again.",
    {"type": "string", "minLength": 1, "maxLength": 255},
    header=True,
)
BODY_PROBLEMS: Final = ("malformed-json", "too-large", "unsupported-media", "incomplete-body")
