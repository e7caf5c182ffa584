"""The audit trail in Redis, as Calls: two sorted sets of texts that begin with a UUIDv7, so that they sort
by time. Submits have one of their own: thousands a second must not push out what is rare.
"""

from collections.abc import Sequence
from typing import Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call
from callboard.tasks.ids import first_id_at

#: Characters of the id that each entry begins with.
ID_LENGTH: Final = 36


def add(keys: Keys, trail: str, entries: Sequence[bytes]) -> Call[int]:
    """Add entries to a trail, `changes` or `submits`; adding one twice is harmless."""
    flat: list[bytes | int] = []
    for entry in entries:
        flat += (0, entry)
    return Call(int, ["ZADD", keys.audit(trail), *flat])


def keep_newest(keys: Keys, trail: str, most: int) -> Call[int]:
    """Drop all but the newest entries of a trail."""
    return Call(int, ["ZREMRANGEBYRANK", keys.audit(trail), 0, -most - 1])


def keep_since(keys: Keys, trail: str, since_ms: int) -> Call[int]:
    """Drop the entries of a trail from before a time."""
    return Call(int, ["ZREMRANGEBYLEX", keys.audit(trail), "-", f"({first_id_at(since_ms)}"])


def before(keys: Keys, trail: str, entry_id: str, most: int) -> Call[list[bytes]]:
    """Read entries of a trail from before the one with this id ("": the newest), newest first."""
    start = f"({entry_id}" if entry_id else "+"
    return Call(list, ["ZREVRANGEBYLEX", keys.audit(trail), start, "-", "LIMIT", 0, most])
