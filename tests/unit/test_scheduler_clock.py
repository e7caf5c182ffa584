"""When the scheduler's clock ticks: once a minute by the clock it is handed, however that is set."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pendulum
import pytest
from dramatiq.errors import ConnectionClosed

from callboard.scheduler.clock import MINUTE_MS, Clock
from tests.patience import PATIENCE_S, wait_until

START = 29_000_000


class Hand:
    """A clock that is set by hand, and what the scheduler's clock does by it."""

    def __init__(self, clock_ms: int) -> None:
        self.now = clock_ms
        self.ticks: list[int] = []
        self.beats = 0
        self.refuse = 0
        self.looked = threading.Event()

    def read(self) -> int:
        self.looked.set()
        return self.now

    def set(self, minute: int, seconds: float = 0.0) -> None:
        """Set it, and wait until it has been looked at three times."""
        self.now = minute * MINUTE_MS + int(seconds * 1000)
        for _ in range(3):
            self.looked.clear()
            assert self.looked.wait(PATIENCE_S)


class HandClock(Clock):
    """Notes the minute of each tick."""

    def __init__(self, hand: Hand) -> None:
        super().__init__([], self._beat_once, None, hand.read, look_s=0.002)
        self._hand = hand

    def _beat_once(self) -> None:
        self._hand.beats += 1

    def tick(self, at: pendulum.DateTime) -> bool:
        self._hand.ticks.append(int(at.timestamp()) // 60 - START)
        self._hand.refuse -= 1
        return self._hand.refuse < 0


@contextmanager
def running(hand: Hand) -> Iterator[None]:
    clock = HandClock(hand)
    clock.start()
    try:
        wait_until(lambda: hand.ticks and hand.beats, what="a first tick", every_s=0.002)
        yield
    finally:
        clock.stop()
        clock.join(PATIENCE_S)
    assert not clock.is_alive()


def test_it_ticks_at_once_and_then_once_a_minute() -> None:
    hand = Hand(START * MINUTE_MS + 17_000)
    with running(hand):
        for minute, seconds in [(0, 59.999), (1, 0.0), (1, 30.0), (2, 0.001), (2, 59.0), (3, 0.5)]:
            hand.set(START + minute, seconds)
    assert hand.ticks == [0, 1, 2, 3]


def test_a_clock_that_is_set_forward_or_back_ticks_for_the_minute_it_shows() -> None:
    hand = Hand(START * MINUTE_MS)
    with running(hand):
        for minute in (90, 91, 5, 6):
            hand.set(START + minute)
    assert hand.ticks == [0, 90, 91, 5, 6]


def test_a_tick_that_could_not_be_sent_is_sent_again_until_it_is() -> None:
    hand = Hand(START * MINUTE_MS)
    with running(hand):
        hand.refuse = 2
        hand.set(START + 1)
        hand.set(START + 1, 20.0)
    assert hand.ticks == [0, 1, 1, 1]


@pytest.mark.parametrize("error", [ConnectionClosed("no RabbitMQ"), RuntimeError("a bug")])
def test_whatever_goes_wrong_the_clock_goes_on(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def send(_actors: object) -> None:
        raise error

    clock = Clock([], send=send)
    assert clock.tick(pendulum.from_timestamp(START * 60)) is False
    assert "trying on" in caplog.text
