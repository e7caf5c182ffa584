"""Runs a task in a process of its own when it has lost two workers.

When a worker dies, every task in it may have been the cause. They come back together, because their leases
end together: beside one that kills its process, two of eight innocents lost three workers too and were
failed as its like (chaos, seed 1). Apart from the others the cause shows itself, and nobody shares its
fate. The processes themselves are in callboard/apart.py.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from typing import Any, Final

import msgspec

from callboard.settings import Settings
from callboard.tasks.states import State
from callboard.worker.outcome import Outcome

#: -P: what lies in the folder it is started in must not matter.
COMMAND: Final = (sys.executable, "-P", "-m", "callboard.apart")
#: What the process says once everything is imported and the task is about to run.
STARTED: Final = b"started\n"
#: Seconds the process has to end itself when the task is interrupted.
GRACE_S: Final = 2.0
LOOK_S: Final = 0.05

_encode: Final = msgspec.json.Encoder().encode


class Installation(msgspec.Struct, frozen=True):
    """What the process has to have in common with its worker."""

    settings: Settings
    #: sys.path: where task types are found.
    path: list[str]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told of the run."""

    task_type: str
    task_id: str
    run: int
    attempt: int
    attempt_limit: int
    parameters: dict[str, Any]


class Order(msgspec.Struct, frozen=True):
    """What the process reads from its stdin, as one line of JSON."""

    installation: Installation
    job: Job


class Apart:
    """Makes such processes; one per worker process, shared by its threads."""

    def __init__(self, settings: Settings) -> None:
        self._installation = Installation(settings, sys.path)

    def run(self, job: Job) -> Outcome | None:
        """Return how the run ended, or None when no process could be made for it.

        An exception that is raised in this thread meanwhile ends the process.
        """
        reading, writing = os.pipe()
        order = _encode(Order(self._installation, job)) + b"\n"
        child: subprocess.Popen[bytes] | None = None
        try:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*COMMAND, str(writing)],
                stdin=subprocess.PIPE,
                pass_fds=(writing,),
                start_new_session=True,  # a signal to its group is not for us
            )
            os.close(writing)
            writing = -1
            answer = _talk(child, order, reading)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
            if child is not None:
                _end(child)
        if not answer.startswith(STARTED):
            return None
        found = answer.removeprefix(STARTED)
        return msgspec.json.decode(found, type=Outcome) if found.endswith(b"\n") else lost(child.returncode)


def _talk(child: "subprocess.Popen[bytes]", order: bytes, reading: int) -> bytes:
    """Hand over the order; return all that is answered. Its stdin stays open: it ends when we do."""
    answer = b""
    assert child.stdin is not None  # noqa: S101 - a pipe was asked for
    try:
        child.stdin.write(order)
        child.stdin.flush()
    except BrokenPipeError:
        return answer
    nothing = threading.Event()
    while True:
        ended = child.poll() is not None
        while select.select([reading], [], [], 0)[0]:
            chunk = os.read(reading, 65_536)
            answer += chunk
            if not chunk:
                return answer
        if ended:
            return answer
        nothing.wait(LOOK_S)  # in short steps: an interrupt of the task arrives between them


def _end(child: "subprocess.Popen[bytes]") -> None:
    try:
        if child.poll() is None:
            child.terminate()
            child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # the keeper, and the task's process with it
        child.wait()
    finally:
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()


def lost(code: int) -> Outcome:
    """Return the outcome of a task that has ended its own process, which had this exit code."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    message = f"its worker was lost each time it ran; the last time, in a process of its own, that {how}"
    error = {"type": "WorkerLost", "message": message, "traceback": None}
    return Outcome(state=State.FAILED, error=_encode(error))
