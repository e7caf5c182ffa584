"""The Lua scripts and the shape of a call, without any I/O.

A Call says what to send and how to read the answer; `sync.py` and `aio.py` run it. Each script
is one round trip and safe to send twice, because an executor repeats a call whose connection
broke (the answer to the first may have been lost).
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script with its prelude."""

    name: str
    source: str
    sha1: str


@functools.cache
def script(name: str, *before: str) -> Script:
    """Return the script `lua/<name>.lua`, read once per process.

    What it shares with others comes before it: the prelude, and the files named in `before`.
    """
    folder = files("callboard.store") / "lua"
    source = "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("prelude", *before, name))
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request to Redis: a script with keys and arguments, or a plain command."""

    decode: Callable[[Any], T]
    arguments: Sequence[Argument]
    script: Script | None = None
    keys: Sequence[str] = ()

    def command(self) -> list[Argument]:
        """Return the Redis command; a script goes by its digest."""
        if self.script is None:
            return list(self.arguments)
        return ["EVALSHA", self.script.sha1, len(self.keys), *self.keys, *self.arguments]

    def full_command(self) -> list[Argument]:
        """Return the command with the script's whole text, for a server that does not know it."""
        if self.script is None:
            return list(self.arguments)
        return ["EVAL", self.script.source, len(self.keys), *self.keys, *self.arguments]


def text(answer: Any) -> str:
    """Decode a bulk string."""
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def texts(answer: Any) -> list[str]:
    """Decode a list of bulk strings."""
    return [text(each) for each in answer]
