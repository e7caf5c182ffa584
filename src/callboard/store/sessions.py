"""Sessions of browsers in Redis, as Calls. What is kept of the cookie is its SHA-256."""

from typing import Any

from callboard.store.api_keys import Fields, fields
from callboard.store.keys import Keys
from callboard.store.scripts import Call, script


def begin(keys: Keys, digest: str, found: Fields, idle_s: int) -> Call[int]:
    """Keep a session; `found` has key_digest, csrf, created_at and ends_at (ms)."""
    flat = [part for pair in found.items() for part in pair]
    return Call(int, [keys.prefix, digest, idle_s, *flat], script("session_begin"))


def read(keys: Keys, digest: str, idle_s: int, *, used: bool = True) -> Call[tuple[Fields, Fields]]:
    """Read a session, and its key; a used one lives `idle_s` from now, and never beyond its end.

    ({}, {}) when there is none; the key is {} when it is not in Redis.
    """
    return Call(_both, [keys.prefix, digest, idle_s, int(used)], script("session_read"))


def _both(answer: Any) -> tuple[Fields, Fields]:
    return fields(answer[0]), fields(answer[1])


def end(keys: Keys, digest: str) -> Call[int]:
    """Forget a session. Every web process hears of it."""
    return Call(int, [keys.prefix, digest], script("session_end"))
