"""Decides how a run ends from what the task did. Pure: no I/O, the random source is handed in."""

import random
import traceback
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.errors import ResultTooLarge, ValidationFailed
from callboard.tasks.backoff import backoff_ms
from callboard.tasks.control import Cancelled, Permanent, Retry, TimeLimitExceeded
from callboard.tasks.registry import TaskType
from callboard.tasks.states import State

#: Characters of a traceback and of a message that are kept.
TRACEBACK_MOST: Final = 8_192
MESSAGE_MOST: Final = 2_000
#: Milliseconds a `Retry(after=…)` may wait at most: ten years, as a submit's delay.
DELAY_MOST_MS: Final = 315_360_000_000
#: And at least: its message is sent before its failure is recorded, and one that comes first finds the
#: lease still held and waits until that ends.
DELAY_LEAST_MS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to record; `delay_ms` is the wait before the next attempt when it is RETRYING."""

    state: State
    result: bytes = b""
    error: bytes = b""
    delay_ms: int = 0
    free: bool = False


class _Named(msgspec.Struct):
    type: str


def of_result(result: Any, limit_bytes: int) -> Outcome:
    """Return the outcome of a task that returned; a result JSON cannot hold fails for good."""
    try:
        encoded = msgspec.json.encode(result)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = Permanent(f"the task returned something JSON cannot hold: {error}")
        return Outcome(state=State.FAILED, error=describe(reason))
    if len(encoded) > limit_bytes:
        size = ResultTooLarge(
            f"the result has {len(encoded)} bytes, more than CALLBOARD_RESULT_LIMIT ({limit_bytes}); "
            "return a reference (a file name) instead"
        )
        return Outcome(state=State.FAILED, error=describe(size))
    return Outcome(state=State.SUCCEEDED, result=encoded)


def of_error(
    error: BaseException, task_type: TaskType, attempt: int, attempt_limit: int, rng: random.Random
) -> Outcome:
    """Return the outcome of a task that raised in attempt number `attempt`."""
    if isinstance(error, Cancelled):
        return Outcome(state=State.CANCELLED)
    if isinstance(error, Retry):
        wait_ms = int(min(error.after * 1000, DELAY_MOST_MS))
        return Outcome(state=State.RETRYING, delay_ms=max(wait_ms, DELAY_LEAST_MS), free=True)
    described = describe(error)
    permanent = (Permanent, ValidationFailed, *task_type.permanent)
    if isinstance(error, permanent) or attempt >= attempt_limit:
        return Outcome(state=State.FAILED, error=described)
    return Outcome(state=State.RETRYING, error=described, delay_ms=backoff_ms(attempt, rng))


def describe(error: BaseException) -> bytes:
    """Return an error as JSON: type, message, traceback (text only; nothing is ever unpickled)."""
    name = type(error).__name__
    if isinstance(error, TimeLimitExceeded):
        name, message = "TimeLimitExceeded", "the task ran longer than its time_limit"
        if error.args:
            message += f"; {error}"
    else:
        message = _text(error) or name
    trace = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    if len(trace) > TRACEBACK_MOST:
        trace = "… (cut)\n" + trace[-TRACEBACK_MOST:]
    found = {"type": name, "message": message[:MESSAGE_MOST], "traceback": trace}
    return msgspec.json.encode({key: _clean(value) for key, value in found.items()})


def error_name(ended: Outcome) -> str:
    """Return the name of the error a run ended with; `Retry` when it asked for another attempt, else ""."""
    if ended.error:
        return msgspec.json.decode(ended.error, type=_Named).type
    return "Retry" if ended.free else ""


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an author's `__str__` must not keep the end from being recorded
        return f"(its message cannot be shown: {type(broken).__name__})"


def _own_frames(error: BaseException) -> Any:
    """Skip the frames of the worker itself: the author's code comes first."""
    frames = error.__traceback__
    while frames is not None and "/callboard/worker/" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    return frames


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
