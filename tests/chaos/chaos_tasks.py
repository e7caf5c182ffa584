"""The task types of the chaos runs. Each writes what it does to the sink (ledger.Step lines).

Workers load this module through CALLBOARD_ACTORS; CHAOS_SINK names the folder of the sink.
"""

import asyncio
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated

import psutil
from msgspec import Meta

from callboard import Params, Retry, current_run, log, progress, task
from tests.chaos.ledger import Ledger, Step

Seconds = Annotated[float, Meta(ge=0, le=600)]


class Plain(Params):
    ref: str


class Timed(Params):
    ref: str
    seconds: Seconds = 0.2


class Poison(Params):
    ref: str
    seconds: Seconds = 0.0


class Talking(Params):
    ref: str
    steps: Annotated[int, Meta(ge=1, le=1000)] = 20
    rest: Seconds = 0.1


class Failing(Params):
    ref: str
    fail_times: int = 1
    #: Fail with Retry(after=0.2), which does not use up an attempt, instead of an error.
    politely: bool = False


@cache
def _folder() -> Path:
    return Path(os.environ["CHAOS_SINK"])


@cache
def _sink() -> Ledger:
    return Ledger(_folder() / "steps.jsonl")


@cache
def _parents(pid: int) -> tuple[int, ...]:
    return tuple(each.pid for each in psutil.Process(pid).parents())


def _write(event: str, ref: str, token: str) -> None:
    run = current_run()
    _sink().write(
        Step(
            event=event, ref=ref, task_id=run.task_id, attempt=run.attempt, token=token,
            pid=os.getpid(), at=time.time(), parents=_parents(os.getpid()),
        )
    )  # fmt: skip


@contextmanager
def _run(ref: str) -> Iterator[str]:
    """Write start and end of one run of a task; gives its token, which is the task's result."""
    token = uuid.uuid4().hex[:12]
    _write("start", ref, token)
    try:
        yield token
    except Exception:
        _write("fail", ref, token)
        raise
    except BaseException:
        _write("stop", ref, token)
        raise
    _write("end", ref, token)


def _effect(ref: str, token: str) -> None:
    """Do the task's effect at a sink that takes each task id once, whoever comes first."""
    path = _folder() / "effects" / current_run().task_id
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    _write("effect", ref, token)


def _pass(seconds: float) -> None:
    """Let time pass in slices, so that an interrupt arrives."""
    end = time.monotonic() + seconds
    nothing = threading.Event()
    while (left := end - time.monotonic()) > 0:
        nothing.wait(min(left, 0.02))


@task("chaos_noop", queue="quick")
def noop(params: Plain) -> None:
    """Do nothing, but say so."""
    _write("start", params.ref, "")


@task("chaos_quick", queue="quick")
def quick(params: Plain) -> str:
    """Do one effect."""
    with _run(params.ref) as token:
        _effect(params.ref, token)
    return token


@task("chaos_work", queue="default", time_limit=120)
def work(params: Timed) -> str:
    """Take some time, then do one effect."""
    with _run(params.ref) as token:
        _pass(params.seconds)
        _effect(params.ref, token)
    return token


@task("chaos_async", queue="default")
async def later(params: Timed) -> str:
    """Do the same in a coroutine."""
    with _run(params.ref) as token:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=params.seconds)
        _effect(params.ref, token)
    return token


@task("chaos_talking", queue="default")
def talking(params: Talking) -> str:
    """Report and log at every step."""
    with _run(params.ref) as token:
        for step in range(params.steps):
            progress(step / params.steps, stage=f"S{step}")
            log.info("step %d", step)
            _pass(params.rest)
    return token


@task("chaos_failing", queue="quick", max_retries=3)
def failing(params: Failing) -> str:
    """Fail the first attempts."""
    with _run(params.ref) as token:
        if current_run().attempt <= params.fail_times:
            raise Retry(after=0.2) if params.politely else ValueError("as asked")
        _effect(params.ref, token)
    return token


@task("chaos_poison", queue="default", max_retries=0)
def poison(params: Poison) -> None:
    """Kill the process it runs in, by default at once."""
    with _run(params.ref):
        _pass(params.seconds)
        os.kill(os.getpid(), signal.SIGKILL)
