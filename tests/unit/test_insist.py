"""Insisting: what must happen before an ack is tried until it works or the process has to stop."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from dramatiq.errors import ConnectionClosed

from callboard.errors import Unavailable
from callboard.worker import insist
from callboard.worker.insist import LONGEST_WAIT_S, Abandoned, Insist
from tests.patience import PATIENCE_S


class Waits:
    """Stands for the event that ends the insistence: notes the waits and does not wait."""

    def __init__(self, give_up_after: int | None = None) -> None:
        self.asked: list[float] = []
        self._give_up_after = give_up_after

    def wait(self, seconds: float) -> bool:
        """Tell whether it is time to give up."""
        self.asked.append(seconds)
        return self._give_up_after is not None and len(self.asked) >= self._give_up_after


def insisting(waits: Waits) -> Insist:
    """Return an Insist that does not really wait."""
    made = Insist()
    made._give_up = waits  # type: ignore[assignment]
    return made


def failing(times: int, error: BaseException) -> Callable[[], str]:
    """Return an action that fails so many times and then works."""
    left = [times]

    def action() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return action


def test_what_works_is_done_once() -> None:
    waits = Waits()
    assert insisting(waits).on(failing(0, ValueError()), "record", "id") == "done"
    assert waits.asked == []


@pytest.mark.parametrize("error", [Unavailable("Redis is away"), ConnectionClosed("RabbitMQ is away")])
def test_an_outage_is_waited_out(error: Exception) -> None:
    waits = Waits()
    assert insisting(waits).on(failing(3, error), "record", "id") == "done"
    assert len(waits.asked) == 3


def test_the_waits_grow_to_a_bound() -> None:
    waits = Waits()
    insisting(waits).on(failing(20, Unavailable("away")), "record", "id")
    assert waits.asked == sorted(waits.asked)
    assert waits.asked[0] <= 0.1
    assert waits.asked[-1] == LONGEST_WAIT_S


def test_any_other_error_is_not_repeated() -> None:
    waits = Waits()
    with pytest.raises(LookupError):
        insisting(waits).on(failing(1, LookupError("a bug")), "record", "id")
    assert waits.asked == []


def test_a_process_that_has_to_stop_abandons_the_work() -> None:
    with pytest.raises(Abandoned):
        insisting(Waits(give_up_after=2)).on(failing(9, Unavailable("away")), "record", "id")


def test_giving_up_ends_every_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insist, "FIRST_WAIT_S", 3_600.0)
    made, outcomes = Insist(), []
    waiting = threading.Semaphore(0)

    def away() -> Any:
        waiting.release()
        raise Unavailable("away")

    def work() -> None:
        try:
            made.on(away, "record", "id")
        except Abandoned:
            outcomes.append("abandoned")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=PATIENCE_S)
    made.give_up()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert outcomes == ["abandoned"] * 4


def test_what_works_is_done_even_after_giving_up() -> None:
    made = Insist()
    made.give_up()
    assert made.on(failing(0, ValueError()), "record", "id") == "done"


def test_each_try_says_what_for_which_task_and_why(caplog: pytest.LogCaptureFixture) -> None:
    insisting(Waits()).on(failing(1, Unavailable("Redis is away")), "record", "the-task")
    assert "cannot record task the-task yet" in caplog.text
    assert "Redis is away" in caplog.text
