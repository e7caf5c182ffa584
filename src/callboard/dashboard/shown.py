"""What the dashboard shows of a task: the attributes its templates read of a dramatiq message. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from callboard.tasks.record import TaskRecord, view
from callboard.tasks.states import State

#: Characters of one value on a task's page; more is in `GET /api/tasks/{id}`.
VALUE_MOST: Final = 20_000
#: Characters of the parameters in a list.
LINE_MOST: Final = 160
#: Ended attempts on a task's page.
ATTEMPTS_MOST: Final = 20


class Verbatim:
    """A text that `pformat` and `str` both leave as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class Shown:
    """Stands where the templates expect a dramatiq message."""

    message_id: str
    queue_name: str
    actor_name: str
    #: Parameters by name, each a Verbatim.
    kwargs: dict[str, Verbatim]
    #: Everything else there is to say, by its heading.
    options: dict[str, Verbatim]
    line: str
    args: tuple[()] = ()

    def __str__(self) -> str:
        return self.line


def naive_utc(at_ms: int) -> datetime:
    """Return a time as the templates' filters take it: UTC without saying so."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)


def visible(text: str) -> str:
    """Return text with characters that hide, or reorder what is around them, as escapes."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def cut(text: str, most: int = VALUE_MOST) -> str:
    """Return at most so many characters, visible, saying how many are left out."""
    if len(text) <= most:
        return visible(text)
    return f"{visible(text[:most])} … and {len(text) - most:,} more characters"


def in_line(record: TaskRecord) -> Shown:
    """Return what a list shows of a task, without reading all of its parameters."""
    raw = bytes(record.parameters)
    text = raw[: 4 * LINE_MOST].decode("utf-8", "ignore")
    short = visible(text[:LINE_MOST]) + ("…" if len(raw) > LINE_MOST else "")
    state = record.status.value
    if record.status is State.RUNNING:
        state += f" {record.progress:.0%}" + (f" {visible(record.stage[:60])}" if record.stage else "")
    if record.status is State.FAILED:
        error = msgspec.json.decode(record.error) or {}
        state += f": {cut(str(error.get('type')), 60)}: {cut(str(error.get('message')), LINE_MOST)}"
    return _shown(record, f"{record.task_type} {short} · {state}", {}, {})


def on_page(record: TaskRecord) -> Shown:
    """Return everything a page shows of one task."""
    seen = msgspec.json.decode(msgspec.json.encode(view(record)))
    kwargs = {visible(name): Verbatim(cut(_json(value))) for name, value in seen["parameters"].items()}
    options: dict[str, Any] = {
        "status": record.status.value + (" (asked to stop)" if record.cancel_requested else ""),
        "progress": f"{record.progress:.0%}",
        "stage": record.stage,
        **_error("error", seen["error"]),
        "priority": record.priority.value,
        "attempts": f"{record.attempts} of {record.attempt_limit}",
        "worker": record.worker,
        "started": seen["started_at"],
        "finished": seen["finished_at"],
        "tags": ", ".join(record.tags),
    }
    if record.status is State.SUCCEEDED:
        options["result"] = _json(seen["result"])
    earlier = [each for each in seen["history"] if each["status"] != "succeeded"]
    if record.terminal and earlier and earlier[-1]["attempt"] == record.attempts:
        earlier = earlier[:-1]  # it is the error shown above
    for attempt in earlier[: -ATTEMPTS_MOST - 1 : -1]:
        heading = f"attempt {attempt['attempt']}"
        options |= {heading: ""} | _error(heading, attempt["error"])
        options[heading] = f"{attempt['status']} {attempt['finished_at']} {options[heading]}"
    shown = {name: Verbatim(cut(str(value))) for name, value in options.items() if value not in (None, "")}
    return _shown(record, record.task_type, kwargs, shown)


def _shown(record: TaskRecord, line: str, kwargs: dict[str, Verbatim], options: dict[str, Verbatim]) -> Shown:
    return Shown(
        message_id=record.task_id,
        queue_name=record.queue,
        actor_name=record.task_type,
        kwargs=kwargs,
        options=options,
        line=line,
    )


def _error(heading: str, error: Any) -> dict[str, str]:
    """Return an error as headings and texts; {} when there is none."""
    if not isinstance(error, dict):
        return {}
    found = {heading: f"{error.get('type')}: {error.get('message')}"}
    if error.get("traceback"):
        found["traceback" if heading == "error" else f"traceback of {heading}"] = str(error["traceback"])
    return found


def _json(value: Any) -> str:
    """Return JSON as people read it, with what cannot be seen written as escapes."""
    if isinstance(value, str):
        return repr(value)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
