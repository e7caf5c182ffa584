"""What health asks of Redis: since when problems are known, and INFO. Pure Calls."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text

#: Milliseconds without being seen after which a problem that comes again is a new one. Every web process
#: looks every 10 s.
GAP_MS: Final = 60_000


def first_seen(keys: Keys, ids: Sequence[str]) -> Call[dict[str, tuple[int, bool]]]:
    """Say that there are these problems; answers when each was first seen, and whether that is now."""

    def decode(answer: Any) -> dict[str, tuple[int, bool]]:
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return {name: (int(first), bool(new)) for name, (first, new) in zip(ids, pairs, strict=True)}

    return Call(decode, [keys.prefix, GAP_MS, *ids], script("problems"))


def info() -> Call[dict[str, Any]]:
    """Read what the server says of itself; numbers may be texts."""

    def decode(answer: Any) -> dict[str, Any]:
        if isinstance(answer, Mapping):
            return {str(name): value for name, value in answer.items()}
        lines = (line.partition(":") for line in text(answer).splitlines() if not line.startswith("#"))
        return {name: value for name, _, value in lines if name}

    return Call(decode, ["INFO"])
