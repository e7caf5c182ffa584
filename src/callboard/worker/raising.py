"""Raises an exception in another thread, at a moment at which it does no harm.

Up to Python 3.12 a thread that has given the interpreter away gets an asynchronous exception exactly where
it stands, so looking at its frame first is enough. From 3.13 on it gets it only at its next look, which may
be the first line of the `__exit__` that was to give back a lock (found on 3.13: one condition in a tight
loop stayed locked every time). There the exception is raised by a callback of sys.monitoring instead: in the
thread itself, at a loop's turn, or where a function begins, returns or comes back from a call.
"""

import ctypes
import sys
import threading
from types import CodeType, FrameType
from typing import Any, Final, Protocol

from dramatiq.threading import raise_thread_exception

#: Never interrupted: what keeps the worker's own books, and what half of it done would break.
_DELICATE: Final = (
    "asyncio", "importlib", "dramatiq.asyncio", "callboard.worker", "callboard.store", "callboard.tasks",
)  # fmt: skip
#: Functions of threading and logging that leave a lock taken or given back when they return.
_LOCKING: Final = frozenset(
    {
        "__enter__", "__exit__", "acquire", "release",
        "_acquire_restore", "_release_save", "_is_owned", "_acquireLock", "_releaseLock",
    }
)  # fmt: skip


class Shot(Protocol):
    """One exception for one thread."""

    def attempt(self) -> bool:
        """Raise it if this is a moment for it, or prepare for the next one; tell whether it is raised."""

    def take_back(self) -> None:
        """Keep it from arriving from now on. Called by the thread itself."""


class AsynchronousShot:
    """Raised by the interpreter where the thread stands."""

    def __init__(self, thread_id: int, error: type[BaseException]) -> None:
        self._thread_id = thread_id
        self._error = error
        self._raised = False

    def attempt(self) -> bool:
        """As Shot has it. Call it after a sleep.

        A thread that has just woken keeps the interpreter for some milliseconds, so the other one cannot move
        on between the look at it and the exception.
        """
        if not self._raised and not _is_delicate(sys._current_frames().get(self._thread_id)):
            self._raised = True
            raise_thread_exception(self._thread_id, self._error)
        return self._raised

    def take_back(self) -> None:
        """As Shot has it."""
        if self._raised:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), None)


def _is_delicate(frame: FrameType | None) -> bool:
    """Tell whether an exception would do harm where this frame stands."""
    if frame is None:
        return True
    module: str = frame.f_globals.get("__name__", "")
    if module in ("threading", "logging"):
        return frame.f_code.co_name in _LOCKING
    return module in _DELICATE or module.startswith(tuple(f"{each}." for each in _DELICATE))


if sys.version_info >= (3, 13):
    _monitoring = sys.monitoring
    _events = sys.monitoring.events
    #: At these a lock that was to be taken is taken, and one that was to be given back is given back.
    #: C_RETURN comes with CALL. Lines are no such moments: that of a `with` comes again before its end.
    _CALLED: Final = (_events.PY_START, _events.PY_RESUME, _events.PY_RETURN, _events.C_RETURN)
    _WATCHED: Final = _events.PY_START | _events.PY_RESUME | _events.PY_RETURN | _events.JUMP | _events.CALL
    #: By thread: what is to be raised there.
    _waiting: Final[dict[int, "MonitoredShot"]] = {}
    #: For `_tool`: two threads may be the first.
    _registering: Final = threading.Lock()
    _tools: Final[list[int]] = []

    class MonitoredShot:
        """Raised by the thread itself, in one of the functions it was in when it was looked at."""

        def __init__(self, thread_id: int, error: type[BaseException]) -> None:
            self._thread_id = thread_id
            self._error = error
            self._raised = self._waits = False
            self._watched: set[CodeType] = set()

        def attempt(self) -> bool:
            """As Shot has it."""
            if self._raised:
                return True
            if not self._waits:  # once: it may arrive at any time from now on
                self._waits = True
                _waiting[self._thread_id] = self
            frame = sys._current_frames().get(self._thread_id)
            while frame is not None:
                if not _is_delicate(frame):
                    self._watched.add(frame.f_code)
                    _watch(frame.f_code)
                frame = frame.f_back
            return False

        def take_back(self) -> None:
            """As Shot has it."""
            _waiting.pop(self._thread_id, None)
            for code in self._watched:
                _leave(code)

        def arrive(self) -> None:
            """Raise it; called in the thread itself."""
            self._raised = True
            raise self._error

    def _watch(code: CodeType) -> None:
        _monitoring.set_local_events(_tool(), code, _WATCHED)

    def _leave(code: CodeType) -> None:
        _monitoring.set_local_events(_tool(), code, 0)

    def _happened(*_: Any) -> None:
        if (waiting := _waiting.pop(threading.get_ident(), None)) is not None:
            waiting.arrive()

    def _jumped(_: CodeType, at: int, to: int) -> None:
        if to <= at:  # forward it may be the way to the end of a `with`
            _happened()

    def _tool() -> int:
        """Return our number among the tools that watch this process; two of the six have no fixed meaning."""
        with _registering:
            if not _tools:
                number = 4 if _monitoring.get_tool(4) is None else 3
                _monitoring.use_tool_id(number, "callboard")
                for event in _CALLED:
                    _monitoring.register_callback(number, event, _happened)
                _monitoring.register_callback(number, _events.JUMP, _jumped)
                _tools.append(number)
            return _tools[0]


def shot(thread_id: int, error: type[BaseException]) -> Shot:
    """Return what raises `error` in a thread, in the way that is safe with this Python."""
    if sys.version_info >= (3, 13):
        return MonitoredShot(thread_id, error)
    return AsynchronousShot(thread_id, error)
