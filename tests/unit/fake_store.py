"""Stands for Redis where a test needs one that goes away at the right moment, and keeps what it is told."""

import logging
import threading
from typing import Any

from callboard.errors import Unavailable
from callboard.store.scripts import Call
from tests.patience import PATIENCE_S


class FakeStore:
    """Takes reports apart again; fails or stops as it is told."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.calls = 0
        self.away = False
        self.broken = False
        self.answer = "ok"
        #: Clear it to hold calls up while they are under way.
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def run(self, call: Call[Any]) -> Any:
        """Take one report."""
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        self.calls += 1
        if self.broken:
            raise LookupError("a bug")
        if self.away:
            raise Unavailable("Redis is away")
        assert call.script is not None
        assert call.script.name == "report"
        fraction, stage, _kept, _first, *flat = call.arguments[3:]
        if fraction != "":
            self.progress.append((float(fraction), str(stage)))
        self.lines += [bytes(each).decode() for each in flat[2::3]]  # type: ignore[arg-type]
        return self.answer


def line(text: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    """Return what logging makes of one call."""
    return logging.LogRecord("test", level, "file.py", 1, text, arguments, None)
