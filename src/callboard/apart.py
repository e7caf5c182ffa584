"""Two processes for one run of one task; worker/apart.py makes the first and says why.

The keeper reads its order, one line of JSON, from stdin, and forks the process that runs the task. To the
descriptor named by its argument it writes `started` and the outcome, one line of JSON. When the task kills
its process, the keeper notes that in the record at once: the worker may be hung, cut off or about to die, and
the next one must not start the task again. When stdin ends the worker is gone, and both end.
"""

import asyncio
import contextlib
import logging
import os
import random
import select
import signal
import sys
import threading
import time
from inspect import iscoroutinefunction
from typing import Any, Final, NoReturn

import msgspec

from callboard import bootstrap, logs
from callboard.errors import Unavailable
from callboard.settings import Settings
from callboard.store import calls
from callboard.tasks.control import Cancelled
from callboard.tasks.params import convert
from callboard.tasks.registry import TaskType
from callboard.tasks.run import Run, use_run
from callboard.worker import outcome
from callboard.worker.apart import STARTED, Job, Order, lost
from callboard.worker.outcome import Outcome
from callboard.worker.report import CaptureHandler, Flusher, RunReporter

#: Seconds between looks at whether the task's process lives.
LOOK_S: Final = 0.05
#: Seconds for which the keeper tries to reach Redis after the task has killed its process.
INSIST_S: Final = 60.0


def main() -> None:
    """Carry out the order and leave."""
    answers = int(sys.argv[1])
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return  # the worker was gone before it had said what to do
    order = msgspec.json.decode(line, type=Order)
    settings = order.installation.settings
    sys.path[:] = order.installation.path
    reading, writing = os.pipe()
    keeper_lives, keeper_ends = os.pipe()
    if (task := os.fork()) == 0:  # no thread has been started yet
        os.close(reading)
        os.close(keeper_ends)
        os.close(answers)
        _carry_out(settings, order.job, writing, keeper_lives)
    os.close(writing)
    os.close(keeper_lives)
    logs.setup(settings.log_level, settings.log_format)
    _leave(Keeper(settings, order.job, task, reading, answers).run())


class Keeper:
    """Watches the process of one run, and its worker."""

    def __init__(self, settings: Settings, job: Job, task: int, reading: int, answers: int) -> None:
        self._settings = settings
        self._job = job
        self._task = task
        self._reading = reading
        self._answers = answers
        self._said = b""
        self._told = False
        #: The worker has asked for the end: what happens to the process now is no fault of the task.
        self._interrupted = False

    def run(self) -> int:
        """Return the exit code once the task's process has ended, by itself or with the worker."""
        signal.signal(signal.SIGTERM, self._interrupt)
        while (code := self._exit_code()) is None:
            ready, _, _ = select.select([self._reading, sys.stdin], [], [], LOOK_S)
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1):
                if (code := self._exit_code()) is not None:
                    break
                os.kill(self._task, signal.SIGKILL)
                return 1
            self._listen()
        while self._listen():
            pass
        if self._told and not self._said.endswith(b"\n") and not self._interrupted:
            self._condemn()
            self._said = msgspec.json.encode(lost(code)) + b"\n"
        self._tell(self._said)
        return code

    def _exit_code(self) -> int | None:
        task, status = os.waitpid(self._task, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if task else None

    def _listen(self) -> bool:
        """Take what the task's process has said; the outcome is passed on whole, or not at all."""
        if not select.select([self._reading], [], [], 0)[0] or not (said := os.read(self._reading, 65_536)):
            return False
        self._said += said
        if not self._told and self._said.startswith(STARTED):
            self._told = True
            self._tell(STARTED)
            self._said = self._said.removeprefix(STARTED)
        return True

    def _tell(self, text: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the worker is gone
            while text:
                text = text[os.write(self._answers, text) :]

    def _interrupt(self, _number: int, _frame: Any) -> None:
        self._interrupted = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._task, signal.SIGTERM)

    def _condemn(self) -> None:
        made = bootstrap.parts(self._settings)
        until = time.monotonic() + INSIST_S
        while time.monotonic() < until:
            try:
                made.store.run(calls.condemn(made.keys, self._job.task_id, self._job.run))
                return
            except Unavailable:
                threading.Event().wait(LOOK_S)


def _carry_out(settings: Settings, job: Job, answers: int, keeper_lives: int) -> NoReturn:
    """Run the task in this process, and end with it or with the keeper."""
    threading.Thread(target=_leave_with, args=(keeper_lives,), name="keeper", daemon=True).start()
    logs.setup(settings.log_level, settings.log_format)
    logging.getLogger().addHandler(CaptureHandler())
    logs.bind(task_id=job.task_id, task_type=job.task_type, attempt=job.attempt)
    ended = _run(settings, job, lambda: os.write(answers, STARTED))
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


def _leave_with(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1):
            pass
    _leave(1)


def _leave(code: int) -> NoReturn:
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
