"""One delivery of one message, read from top to bottom: claim → run → record → (dramatiq acks).

Why here and not in dramatiq's hooks: `Broker.emit_after` swallows exceptions and the message is
acked all the same, which lost tasks (promises.md, traps 1 and 10). Inside the actor's own call
nothing is swallowed and the ack comes only after this returns. See docs/decisions/0001.
"""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any, Final

import msgspec
from dramatiq.asyncio import async_to_sync
from dramatiq.broker import MessageProxy
from dramatiq.errors import BrokerConnectionError

from callboard import logs
from callboard.errors import ValidationFailed
from callboard.metrics.worker import WorkerMetrics
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.tasks.message import options_of
from callboard.tasks.params import convert
from callboard.tasks.registry import TaskType
from callboard.tasks.run import Resources, Run, use_run
from callboard.tasks.states import State
from callboard.tasks.times import now_ms
from callboard.traces import Traces
from callboard.worker import outcome
from callboard.worker.apart import Apart, Job
from callboard.worker.delivery import Delivery
from callboard.worker.insist import Abandoned, Ended, Insist
from callboard.worker.interrupt import Guard, ThreadCancelled
from callboard.worker.outcome import Outcome
from callboard.worker.ports import Outlet, Store
from callboard.worker.report import Flusher, RunReporter
from callboard.worker.running import ActiveRun, Running

logger = logging.getLogger(__name__)

#: Milliseconds until a message is offered again that could not be handled for an unexpected reason.
PUT_OFF_MS: Final = 30_000

#: Numbers this process's claims, so that one sent twice is known again.
_CLAIMS: Final = itertools.count()

HUNG: Final = "it did not react to that within 5 s and was given up; its thread was replaced"


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Runs messages; one per worker process, shared by its threads."""

    store: Store
    outlet: Outlet
    keys: Keys
    worker: str
    resources: Resources
    running: Running
    flusher: Flusher
    insist: Insist
    metrics: WorkerMetrics
    traces: Traces | None
    #: Acks the message of a hung task and replaces its thread.
    give_up_thread: Callable[[threading.Thread, MessageProxy], None]
    #: Gives back a message of a paused queue, and takes no more of it.
    refuse: Callable[[MessageProxy], None]
    #: Makes a process for a task that has lost workers; None in embedded mode.
    apart: Apart | None
    result_ttl_s: int
    result_limit: int
    rng: random.Random = field(default_factory=random.Random)

    def perform(self, task_type: TaskType, message: MessageProxy, parameters: dict[str, Any]) -> Any:
        """Do everything a delivery needs and return the task's result.

        Raises Ended when there is no result (the message may be acked) and marks the message
        `abandoned` when it must not be acked.
        """
        bound = logs.bind_only(
            task_id=message.message_id, task_type=task_type.name, queue=task_type.queue, worker=self.worker
        )
        try:
            delivery = Delivery(task_type, message, options_of(message.options), parameters)
            claim = self._claim(delivery)
            if claim.kind == "run":
                logs.bind(attempt=claim.attempt)
                with self._traced(delivery, claim):
                    return self._run(delivery, claim)
            self._decline(delivery, claim)
        except Abandoned:
            message.abandoned = True  # type: ignore[attr-defined]
        except Ended:
            raise
        except Exception:  # a bug of ours or an answer nobody expected: the task must not be lost by it
            logger.exception("task %s could not be handled; it comes again in 30 s", message.message_id)
            self._put_off(message)
        finally:
            logs.unbind(bound)
        raise Ended

    def _traced(self, delivery: Delivery, claim: calls.Claim) -> AbstractContextManager[None]:
        if self.traces is None:
            return nullcontext()
        kind, sent = delivery.task_type, delivery.options
        return self.traces.attempt(
            kind.name, kind.queue, delivery.task_id, claim.attempt, sent.traceparent, sent.previous_span
        )

    def _put_off(self, message: MessageProxy) -> None:
        try:
            self.outlet.enqueue(message._message, delay=PUT_OFF_MS)
        except BrokerConnectionError:
            message.abandoned = True  # type: ignore[attr-defined]

    def _claim(self, delivery: Delivery) -> calls.Claim:
        task_id, options = delivery.task_id, delivery.options
        token = f"{self.worker}/{next(_CLAIMS)}"
        claim = calls.claim(self.keys, task_id, self.worker, options.attempt, options.due_ms, token)
        found = self.insist.on(lambda: self.store.run(claim), "claim", task_id)
        if found.kind != "absent":
            return found
        rebuild = calls.claim_rebuilding(
            self.keys, delivery.envelope(), self.worker, delivery.max_retries,
            int(delivery.limit_s * 1000), token,
        )  # fmt: skip
        return self.insist.on(lambda: self.store.run(rebuild), "claim", task_id)

    def _decline(self, delivery: Delivery, claim: calls.Claim) -> None:
        message = delivery.message
        if claim.kind == "poison":
            error = {"type": "WorkerLost", "message": f"worker lost {claim.why} times", "traceback": None}
            failed = Outcome(state=State.FAILED, error=msgspec.json.encode(error))
            self._record(delivery, claim, failed, None)
        elif claim.kind == "cancelled":
            self._record(delivery, claim, Outcome(state=State.CANCELLED), None)
        elif claim.kind == "paused":
            self.refuse(message)
        elif claim.kind in ("busy", "early"):
            # Another worker may still be alive with it, or RabbitMQ was early: look again later.
            again = message._message.copy()
            wait_ms = claim.wait_ms + 100
            self.insist.on(lambda: self.outlet.enqueue(again, delay=wait_ms), "defer", delivery.task_id)
        else:
            logger.info("skipping task %s: %s", delivery.task_id, claim.why)

    def _run(self, delivery: Delivery, claim: calls.Claim) -> Any:
        task_type, message, task_id = delivery.task_type, delivery.message, delivery.task_id
        guard = Guard(delivery.limit_s)
        reporter = RunReporter(
            self.store,
            self.keys,
            task_id,
            claim.run,
            self.flusher,
            on_cancel=lambda: guard.interrupt(ThreadCancelled),
        )
        thread = threading.current_thread()

        def end_without_it() -> None:
            assert guard.interrupted is not None  # noqa: S101 - else it would not be hung
            ended = outcome.of_error(
                guard.interrupted[0](HUNG), task_type, claim.attempt, claim.attempt_limit, self.rng
            )
            self._measure(delivery, claim, begun)
            self._record(delivery, claim, ended, reporter)
            self.metrics.running(task_type.queue, -1)
            self.running.leave(active, failed=True)
            self.give_up_thread(thread, message)

        active = ActiveRun(task_id, claim.run, guard, end_without_it)
        run = Run(
            task_id=task_id,
            task_type=task_type.name,
            attempt=claim.attempt,
            resources=self.resources,
            reporter=reporter,
        )
        self.running.enter(active)
        self.metrics.running(task_type.queue, 1)
        begun = time.perf_counter()
        hung = False
        ended: Outcome | None = None
        result: Any = None
        try:
            try:
                result = guard.run(lambda: self._perform(delivery, claim, run))
                if isinstance(result, Outcome):
                    ended, result = result, msgspec.json.decode(result.result or b"null")
                else:
                    ended = outcome.of_result(result, self.result_limit)
            except BaseException as error:  # noqa: BLE001 - whatever a task raises is an outcome
                cause = guard.cause(error)
                ended = outcome.of_error(cause, task_type, claim.attempt, claim.attempt_limit, self.rng)
                _log_failure(cause, ended, message, claim)
            if not active.take_end():  # it was hung, and has been ended without us
                hung = True
                raise Ended
            self._measure(delivery, claim, begun)
            self._record(delivery, claim, ended, reporter)
        finally:
            self.flusher.forget(reporter)
            if not hung:
                self.metrics.running(task_type.queue, -1)
            self.running.leave(active, failed=ended is None or ended.state is State.FAILED)
        if ended.state is not State.SUCCEEDED:
            raise Ended
        return result

    def _measure(self, delivery: Delivery, claim: calls.Claim, begun: float) -> None:
        run_s = time.perf_counter() - begun
        kind = delivery.task_type
        self.metrics.ran(kind.name, kind.queue, delivery.priority.value, claim.waited_ms / 1000, run_s)

    def _perform(self, delivery: Delivery, claim: calls.Claim, run: Run) -> Any:
        """Call the task's function, here or in a process of its own; that one's answer is an Outcome."""
        if claim.apart and self.apart is not None:
            job = Job(
                task_type=delivery.task_type.name, task_id=delivery.task_id, run=claim.run,
                attempt=claim.attempt, attempt_limit=claim.attempt_limit, parameters=delivery.parameters,
            )  # fmt: skip
            logger.warning("task %s has lost its worker before; it runs apart now", delivery.task_id)
            if (ended := self.apart.run(job)) is not None:
                return ended
            logger.error("no process could be made for task %s; it runs here", delivery.task_id)
        return _call(delivery.task_type, delivery.parameters, run)

    def _record(
        self, delivery: Delivery, claim: calls.Claim, ended: Outcome, reporter: RunReporter | None
    ) -> None:
        """Send what has to be sent, then write the end; both insist, and both come before the ack."""
        message, task_id = delivery.message, delivery.task_id
        due_ms: int | None = None
        if ended.state is State.RETRYING:
            due_ms = now_ms() + ended.delay_ms
            options: dict[str, Any] = {"attempt": claim.attempt, "due_ms": due_ms, "passed_on": 0}
            if self.traces is not None:
                options["previous_span"] = self.traces.current()
            again = message._message.copy(options=options)
            self.insist.on(lambda: self.outlet.enqueue(again, delay=ended.delay_ms), "retry", task_id)
        elif ended.state is State.FAILED:
            dead = message._message.copy(options={"attempt": claim.attempt})
            self.insist.on(lambda: self.outlet.dead_letter(dead), "dead-letter", task_id)
        if reporter is not None:
            self.insist.on(reporter.write_lines, "write the log of", task_id)
        ending = calls.Ending(
            task_id=task_id,
            run=claim.run,
            outcome=ended.state,
            result=ended.result,
            error=ended.error,
            due_ms=due_ms,
            progress=reporter.take_progress() if reporter else None,
            free=ended.free,
        )
        answer = self._conclude(ending)
        if answer == "absent":
            logger.warning("the record of task %s is gone: it is made anew from the message", task_id)
            answer = self._conclude(replace(ending, run=self._claim(delivery).run))
        if answer != "stale":
            state = State.CANCELLED if answer == "cancelled" else ended.state
            kind = delivery.task_type
            error = outcome.error_name(ended)
            self.metrics.ended(kind.name, kind.queue, state.value, error)
            if self.traces is not None:
                self.traces.ended(state.value, error)
        else:
            logger.warning("task %s was taken over by another worker; this run is not recorded", task_id)

    def _conclude(self, ending: calls.Ending) -> str:
        write = calls.conclude(self.keys, ending, self.result_ttl_s)
        return self.insist.on(lambda: self.store.run(write), "record", ending.task_id)


def _call(task_type: TaskType, parameters: dict[str, Any], run: Run) -> Any:
    params = convert(parameters, task_type.params, "/parameters")
    function = task_type.function
    if iscoroutinefunction(function):
        function = async_to_sync(function)
    with use_run(run):
        return function(params)


def _log_failure(error: BaseException, ended: Outcome, message: MessageProxy, claim: calls.Claim) -> None:
    if isinstance(error, ValidationFailed):
        reason = "parameters do not fit this worker's version of the task type"
    else:
        reason = type(error).__name__
    logger.warning(
        "task %s (%s) attempt %d ended %s: %s",
        message.message_id, message.actor_name, claim.attempt, ended.state.value, reason,
    )  # fmt: skip
