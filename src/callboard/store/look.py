"""What the doctor asks of the records; nothing here changes anything. Pure Calls."""

from dataclasses import dataclass
from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks.ids import created_ms


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of an index; `status` is None when it has no record. Times in milliseconds."""

    task_id: str
    status: str | None
    lease_ms: int | None
    #: When its record last changed.
    since_ms: int


def index(keys: Keys, name: str, at_most: int) -> Call[tuple[int, list[Seen]]]:
    """Look at the oldest entries of an index; answers how many it holds, and these."""

    def decode(answer: Any) -> tuple[int, list[Seen]]:
        return int(answer[0]), [_seen(*map(text, row)) for row in answer[1:]]

    return Call(decode, [keys.prefix, name, at_most], script("look"))


def _seen(task_id: str, status: str, lease: str, since: str) -> Seen:
    return Seen(
        task_id, status or None, int(lease) if lease else None, int(since) if since else created_ms(task_id)
    )


def earliest(keys: Keys, name: str) -> Call[float | None]:
    """Read the earliest time of a set sorted by time, in milliseconds."""

    def decode(answer: Any) -> float | None:
        if not answer:
            return None
        pair = answer[0] if isinstance(answer[0], list | tuple) else answer  # as the client likes to give it
        return float(pair[1])

    return Call(decode, ["ZRANGE", f"{keys.prefix}{name}", 0, 0, "WITHSCORES"])


def exists(key: str) -> Call[bool]:
    """Tell whether there is such a key."""
    return Call(bool, ["EXISTS", key])


def clock() -> Call[int]:
    """Read Redis's clock, in milliseconds since the epoch."""
    return Call(lambda answer: int(answer[0]) * 1000 + int(answer[1]) // 1000, ["TIME"])
