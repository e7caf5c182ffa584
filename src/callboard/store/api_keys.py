"""API keys in Redis, as Calls. A key's text never gets here: what is kept is its SHA-256."""

from typing import Any, Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text

Fields = dict[str, str]


def fields(answer: Any) -> Fields:
    """Decode the flat list of a hash."""
    flat = [text(each) for each in answer]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def add(keys: Keys, key_id: str, found: Fields) -> Call[bool]:
    """Keep a key; False when there is one with its id. `found` has digest, name, role, created_at (ms) and
    perhaps rate, quota, expires_at (ms).
    """
    flat = [part for pair in found.items() for part in pair]
    return Call(bool, [keys.prefix, key_id, *flat], script("key_add"))


def read(keys: Keys, key_id: str, *, used: bool = True) -> Call[Fields]:
    """Read a key, and note that it is used; {} when there is none."""
    return Call(fields, [keys.prefix, key_id, int(used)], script("key_read"))


def revoke(keys: Keys, key_id: str) -> Call[Fields]:
    """Forget a key; answers what it was, {} when there was none. Every web process hears of it."""
    return Call(fields, [keys.prefix, key_id], script("key_revoke"))


#: Keys that are listed at most.
LISTED_MOST: Final = 1000


def listed(keys: Keys) -> Call[list[tuple[str, Fields]]]:
    """Read all keys, the newest first."""
    return Call(
        lambda answer: [(text(key_id), fields(flat)) for key_id, flat in answer],
        [keys.prefix, LISTED_MOST],
        script("key_list"),
    )


def number(keys: Keys) -> Call[int]:
    """Count the keys."""
    return Call(int, ["ZCARD", keys.api_keys])


def version(keys: Keys) -> Call[bytes | None]:
    """Read what changes whenever a key is revoked or a session ended."""
    return Call(lambda answer: answer, ["GET", keys.access_version])


def owner(keys: Keys, task_id: str) -> Call[tuple[bool, str]]:
    """Tell whether there is such a task, and the id of the key that submitted it ("": unknown)."""
    return Call(
        lambda answer: (answer[0] is not None, text(answer[1] or b"")),
        ["HMGET", keys.task(task_id), "status", "by"],
    )
