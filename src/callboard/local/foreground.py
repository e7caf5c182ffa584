"""A command that runs in the foreground: one at a time in a folder, until a signal ends it."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from callboard.local.process import LocalServerError


class StopSignals:
    """Makes the first SIGINT, SIGTERM or SIGHUP a KeyboardInterrupt, and counts the others.

    Set `armed` False where an exception would break the cleaning up.
    """

    def __init__(self) -> None:
        self.armed = True
        self._seen = 0

    def hurry(self) -> bool:
        """Tell whether a second signal came: who sent it does not want to wait."""
        return self._seen > 1

    def __enter__(self) -> "StopSignals":
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._note) for number in signals}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._seen += 1
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt


@contextmanager
def only_one(lock: Path) -> Iterator[int]:
    """Hold the file `lock`; yield its descriptor, which a child may inherit: the lock then is held by it too.

    Raises LocalServerError, naming the process, when another holds it.
    """
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            raise LocalServerError(
                f"a stack of this checkout is running already; Ctrl-C stops it where it was started, "
                f"`kill {pid}` from here"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file.fileno()
