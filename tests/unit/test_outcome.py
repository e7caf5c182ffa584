"""How a run ends, decided from what the task did."""

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import FieldProblem, ValidationFailed
from callboard.tasks.control import Permanent, Retry
from callboard.tasks.params import Params
from callboard.tasks.registry import TaskType
from callboard.tasks.states import State
from callboard.worker.interrupt import ThreadCancelled, ThreadTimeLimit
from callboard.worker.outcome import (
    DELAY_LEAST_MS,
    DELAY_MOST_MS,
    MESSAGE_MOST,
    TRACEBACK_MOST,
    Outcome,
    describe,
    of_error,
    of_result,
)

LIMIT = 1_000


class Nothing(Params):
    """No parameters."""


class Refused(Exception):
    """An error that one type never retries."""


class Stricter(Refused):
    """A kind of it."""


TYPE = TaskType(
    lambda _: None,
    name="any",
    params=Nothing,
    queue="default",
    max_retries=3,
    time_limit_s=60.0,
    permanent=(Refused,),
)


def ended(error: BaseException, attempt: int = 1, attempt_limit: int = 4) -> Outcome:
    """Return the outcome of a task that raised."""
    return of_error(error, TYPE, attempt, attempt_limit, random.Random(1))


def described(outcome: Outcome) -> dict[str, Any]:
    """Return the recorded error."""
    found: dict[str, Any] = json.loads(outcome.error)
    return found


@pytest.mark.parametrize(
    ("result", "encoded"),
    [
        (None, "null"),
        ("é", '"é"'),
        ({"a": [1, 2.5, True]}, '{"a":[1,2.5,true]}'),
        ((1, 2), "[1,2]"),
        (2**70, str(2**70)),
        (float("nan"), "null"),  # JSON has neither; JavaScript does the same
        ([float("inf")], "[null]"),
    ],
)
def test_a_result_that_json_can_hold_succeeds(result: Any, encoded: str) -> None:
    assert of_result(result, LIMIT) == Outcome(state=State.SUCCEEDED, result=encoded.encode())


def _endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@dataclass
class _Explosive:
    inside: Any


@pytest.mark.parametrize("result", [object(), {1, object()}, "\ud800", _endless(), _Explosive(object())])
def test_a_result_that_json_cannot_hold_fails_for_good_and_says_so(result: Any) -> None:
    outcome = of_result(result, LIMIT)
    assert outcome.state is State.FAILED
    assert described(outcome)["type"] == "Permanent"
    assert "JSON cannot hold" in described(outcome)["message"]


def test_a_result_may_have_the_limit_and_not_a_byte_more() -> None:
    assert of_result("x" * (LIMIT - 2), LIMIT).state is State.SUCCEEDED
    outcome = of_result("x" * (LIMIT - 1), LIMIT)
    assert outcome.state is State.FAILED
    assert described(outcome)["type"] == "ResultTooLarge"
    assert "CALLBOARD_RESULT_LIMIT (1000)" in described(outcome)["message"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), MemoryError()])
def test_any_error_is_retried_until_the_attempts_are_used_up(error: BaseException) -> None:
    outcomes = [ended(error, attempt) for attempt in (1, 2, 3, 4)]
    assert [each.state for each in outcomes] == [State.RETRYING] * 3 + [State.FAILED]
    waits = [each.delay_ms for each in outcomes[:3]]
    assert waits == sorted(waits)
    assert min(waits) >= 1_000
    assert not any(each.free for each in outcomes)


@pytest.mark.parametrize(
    "error", [Permanent("no"), Refused(), Stricter(), ValidationFailed([FieldProblem("/n", "is no number")])]
)
def test_permanent_errors_fail_at_once(error: BaseException) -> None:
    assert ended(error).state is State.FAILED


def test_retry_is_free_of_charge_even_at_the_last_attempt() -> None:
    outcome = ended(Retry(after=2.5), attempt=4)
    assert outcome == Outcome(state=State.RETRYING, delay_ms=2_500, free=True)


def test_a_retry_at_once_leaves_time_to_record_the_failure() -> None:
    assert ended(Retry(after=0)).delay_ms == DELAY_LEAST_MS


@pytest.mark.parametrize("after", [float("inf"), 1e300])
def test_a_retry_in_the_far_future_is_one_in_ten_years(after: float) -> None:
    assert ended(Retry(after=after)).delay_ms == DELAY_MOST_MS


def test_a_cancelled_task_is_cancelled_whatever_is_left() -> None:
    assert ended(ThreadCancelled()) == Outcome(state=State.CANCELLED)
    assert ended(ThreadCancelled(), attempt=4) == Outcome(state=State.CANCELLED)


def test_a_time_limit_is_retried_by_policy() -> None:
    assert ended(ThreadTimeLimit()).state is State.RETRYING
    last = ended(ThreadTimeLimit(), attempt=4)
    assert last.state is State.FAILED
    assert described(last)["type"] == "TimeLimitExceeded"
    assert "time_limit" in described(last)["message"]


def test_an_error_is_described_by_type_message_and_traceback() -> None:
    try:
        raise LookupError("no such thing")
    except LookupError as error:
        found = json.loads(describe(error))
    assert (found["type"], found["message"]) == ("LookupError", "no such thing")
    assert "test_an_error_is_described" in found["traceback"]


def test_an_error_without_a_message_is_named() -> None:
    assert json.loads(describe(ValueError()))["message"] == "ValueError"


def test_causes_are_in_the_traceback() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as error:
        found = json.loads(describe(error))
    assert "KeyError: 'inner'" in found["traceback"]
    assert "direct cause" in found["traceback"]


class _Mute(Exception):
    def __str__(self) -> str:
        raise AttributeError("no text")


class _NoText(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]


@pytest.mark.parametrize("error", [_Mute(), _NoText()])
def test_an_error_that_cannot_be_printed_is_still_an_outcome(error: BaseException) -> None:
    outcome = ended(error)
    assert outcome.state is State.RETRYING
    assert described(outcome)["type"] == type(error).__name__


@given(st.text(st.characters(codec=None), max_size=100))
def test_any_message_can_be_recorded(text: str) -> None:
    assert isinstance(json.loads(describe(ValueError(text)))["message"], str)


def test_long_errors_are_cut() -> None:
    try:
        raise ValueError("x" * 100_000)
    except ValueError as error:
        found = json.loads(describe(error))
    assert len(found["message"]) == MESSAGE_MOST
    assert len(found["traceback"]) <= TRACEBACK_MOST + 20


def test_a_very_deep_error_is_cut() -> None:
    def down(left: int) -> None:
        if left:
            down(left - 1)
        raise ValueError("deep")

    try:
        down(500)
    except ValueError as error:
        found = json.loads(describe(error))
    assert found["traceback"].endswith("ValueError: deep\n")
    assert len(found["traceback"]) <= TRACEBACK_MOST + 20


def test_a_long_chain_of_errors_is_no_problem() -> None:
    error: BaseException | None = None
    for n in range(3_000):
        made = ValueError(str(n))
        made.__cause__ = error
        error = made
    assert error is not None
    assert json.loads(describe(error))["message"] == "2999"


def test_a_group_of_errors_shows_each_of_them() -> None:
    found = json.loads(describe(ExceptionGroup("two", [ValueError("a"), KeyError("b")])))
    assert found["type"] == "ExceptionGroup"
    assert "ValueError: a" in found["traceback"]
    assert "KeyError: 'b'" in found["traceback"]
