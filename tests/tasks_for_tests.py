"""Task types that the tests of the worker run in real worker processes.

Tasks wait for a file (a gate) rather than for a time, and write what they do into a ledger opened
O_APPEND, so that a test sees it whatever happens to the process.
"""

import asyncio
import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from callboard import Params, Permanent, Retry, current_run, log, progress, task

#: Seconds between looks at a gate.
LOOK_S = 0.01


def note(ledger: str, what: str, **more: Any) -> None:
    """Append one line to a ledger."""
    run = current_run()
    entry = {"what": what, "task_id": run.task_id, "attempt": run.attempt, "pid": os.getpid(), **more}
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(file)


def wait_for(gate: str) -> None:
    """Return once the file exists."""
    never = threading.Event()
    while not Path(gate).exists():
        never.wait(LOOK_S)


class Anything(Params):
    """One value of any kind."""

    value: Any = None


class Ledger(Params):
    """Where to write what happens."""

    ledger: str
    value: Any = None


class Gated(Params):
    """A ledger, and a file to wait for."""

    ledger: str
    gate: str
    value: Any = None


class Times(Params):
    """How often."""

    times: int = 10**9
    after: float = 0.0


@task("echo")
def echo(params: Anything) -> Any:
    """Return the value."""
    return params.value


@task("boom")
def boom(params: Times) -> int:
    """Fail in the first attempts."""
    attempt = current_run().attempt
    log.warning("attempt %d", attempt)
    if attempt <= params.times:
        raise ValueError(f"attempt {attempt} went wrong")
    return attempt


@task("permanent", max_retries=5)
def permanent(params: Anything) -> None:
    """Fail for good."""
    raise Permanent("never again")


@task("not_yet", max_retries=0)
def not_yet(params: Times) -> int:
    """Ask to be run again later."""
    if current_run().attempt <= params.times:
        raise Retry(after=params.after)
    return current_run().attempt


@task("noted")
def noted(params: Ledger) -> int:
    """Write a line; return the process id."""
    note(params.ledger, "ran", value=params.value)
    return os.getpid()


@task("gated")
def gated(params: Gated) -> int:
    """Write a line, wait for the gate, write another one; return the process id."""
    log.info("before the gate")
    note(params.ledger, "started", value=params.value)
    wait_for(params.gate)
    note(params.ledger, "ended", value=params.value)
    log.info("after the gate")
    progress(0.9, stage="CONCLUDING")
    return os.getpid()


@task("gated_permanent")
def gated_permanent(params: Gated) -> None:
    """Fail for good once the gate is open."""
    note(params.ledger, "started", value=params.value)
    wait_for(params.gate)
    raise Permanent("as asked")


@task("mail", queue="email")
def mail(params: Ledger) -> int:
    """Do what `noted` does, in another queue."""
    return noted(params)  # type: ignore[no-any-return]


@task("crunch", queue="data")
def crunch(params: Ledger) -> int:
    """Do what `noted` does, in a third queue."""
    return noted(params)  # type: ignore[no-any-return]


@task("self_kill", max_retries=0)
def self_kill(params: Ledger) -> None:
    """Kill the worker's process."""
    note(params.ledger, "started")
    os.kill(os.getpid(), signal.SIGKILL)


@task("spin")
def spin(params: Ledger) -> None:
    """Be busy for ever."""
    note(params.ledger, "started")
    while True:
        pass


@task("chatter")
def chatter(params: Ledger) -> None:
    """Report and log for ever."""
    note(params.ledger, "started")
    while True:
        progress(0.5, stage="PROCESSING")
        logging.getLogger("somebody.else").info("line")


@task("sleep_async")
async def sleep_async(params: Ledger) -> None:
    """Wait for ever."""
    note(params.ledger, "started")
    try:
        await asyncio.Event().wait()
    finally:
        note(params.ledger, "cleaned up")


@task("stubborn_async")
async def stubborn_async(params: Ledger) -> None:
    """Take longer to clean up than anybody waits."""
    note(params.ledger, "started")
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(threading.Event().wait, 2.0)
        note(params.ledger, "cleaned up")


@task("echo_async")
async def echo_async(params: Anything) -> Any:
    """Return the value."""
    progress(0.5, stage="PROCESSING")
    log.info("inside %s", current_run().task_type)
    return params.value


@task("stuck", max_retries=0)
def stuck(params: Gated) -> None:
    """Sit in a system call that nothing interrupts, until the gate opens."""
    note(params.ledger, "started")
    with Path(params.gate).open() as fifo:  # a FIFO: opening it waits for a writer
        fifo.read()
    note(params.ledger, "returned")


@task("strict")
def strict(params: Times) -> int:
    """Take numbers only."""
    return params.times


@task("big_result", max_retries=3)
def big_result(params: Times) -> str:
    """Return a text of so many bytes."""
    return "x" * params.times


@task("nan")
def nan(params: Anything) -> list[float]:
    """Return numbers that JSON does not have."""
    return [float("nan"), float("inf"), 1.5]


@task("unserialisable", max_retries=3)
def unserialisable(params: Anything) -> object:
    """Return something JSON cannot hold."""
    return object()


@task("logs_many")
def logs_many(params: Times) -> None:
    """Log so many lines."""
    for n in range(params.times):
        log.info("line %d", n)


@task("progress_many")
def progress_many(params: Times) -> None:
    """Report so often, and end."""
    for n in range(params.times):
        progress(n / params.times, stage=f"step {n}")


@task("exits", max_retries=0)
def exits(params: Anything) -> None:
    """End the process, or so it believes."""
    raise SystemExit("bye")


class Mute(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise AttributeError("no text")


@task("mute", max_retries=0)
def mute(params: Anything) -> None:
    """Fail with an error that cannot be printed."""
    raise Mute
