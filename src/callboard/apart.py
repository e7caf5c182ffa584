"""A process for one run of one task; worker/apart.py makes it and says why.

Reads its order, one line of JSON, from stdin, and writes `started` and the outcome, one line of JSON, to the
descriptor named by its argument. It ends when stdin does: the worker that made it is gone then.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import threading
from inspect import iscoroutinefunction
from typing import Any, NoReturn

import msgspec

from callboard import bootstrap, logs
from callboard.settings import Settings
from callboard.tasks.control import Cancelled
from callboard.tasks.params import convert
from callboard.tasks.registry import TaskType
from callboard.tasks.run import Run, use_run
from callboard.worker import outcome
from callboard.worker.apart import STARTED, Job, Order
from callboard.worker.outcome import Outcome
from callboard.worker.report import CaptureHandler, Flusher, RunReporter


def main() -> None:
    """Carry out the order and leave."""
    answers = int(sys.argv[1])
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    threading.Thread(target=_leave_with_the_worker, name="worker", daemon=True).start()
    settings = order.installation.settings
    sys.path[:] = order.installation.path
    logs.setup(settings.log_level, settings.log_format)
    logging.getLogger().addHandler(CaptureHandler())
    ended = _run(settings, order.job, lambda: os.write(answers, STARTED))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    line = msgspec.json.encode(ended) + b"\n"
    while line:
        line = line[os.write(answers, line) :]
    _leave(0)


def _run(settings: Settings, job: Job, begin: Any) -> Outcome:
    made = bootstrap.parts(settings)
    task_type = made.registry.get(job.task_type)
    flusher = Flusher()
    reporter = RunReporter(made.store, made.keys, job.task_id, job.run, flusher)
    run = Run(
        task_id=job.task_id,
        task_type=job.task_type,
        attempt=job.attempt,
        resources=bootstrap.resources(settings),
        reporter=reporter,
    )
    flusher.start()
    signal.signal(signal.SIGTERM, _interrupt)
    begin()
    try:
        ended = outcome.of_result(_call(task_type, job.parameters, run), settings.result_limit)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises is an outcome
        ended = outcome.of_error(error, task_type, job.attempt, job.attempt_limit, random.Random())
    flusher.forget(reporter)
    while reporter.flush() == "lost":
        threading.Event().wait(0.5)
    return ended


def _call(task_type: TaskType, parameters: dict[str, Any], run: Run) -> Any:
    params = convert(parameters, task_type.params, "/parameters")
    with use_run(run):
        if iscoroutinefunction(task_type.function):
            return asyncio.run(task_type.function(params))
        return task_type.function(params)


def _interrupt(_number: int, _frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Cancelled  # the worker knows better why, and does not ask


def _leave_with_the_worker() -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    _leave(1)


def _leave(code: int) -> NoReturn:
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
