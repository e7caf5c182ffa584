"""What becomes of ticks for which no scheduler was there."""

import pytest

from callboard.scheduler.missed import LATE_MS, MADE_UP_MOST, Missed, plan
from callboard.scheduler.timetable import Timetable

MINUTE = 60_000
NOW = 29_000_000 * MINUTE
MINUTELY = Timetable("* * * * *", "UTC")
HOURLY = Timetable("0 * * * *", "UTC")


@pytest.mark.parametrize("missed", list(Missed))
def test_a_tick_on_time_runs_by_every_policy(missed: Missed) -> None:
    found = plan(missed, MINUTELY, NOW - MINUTE, NOW + 40)
    assert (found.run, found.skipped, found.cut, found.upto) == ((NOW,), 0, False, NOW)


@pytest.mark.parametrize("missed", list(Missed))
def test_ticks_that_are_a_little_late_have_not_been_missed(missed: Missed) -> None:
    """A scheduler was killed, or RabbitMQ was away for a minute."""
    assert plan(missed, MINUTELY, NOW - 2 * MINUTE, NOW + 59_000).run == (NOW - MINUTE, NOW)


@pytest.mark.parametrize("missed", list(Missed))
@pytest.mark.parametrize("last", [NOW, NOW + 1, NOW + 3_600_000])
def test_nothing_runs_twice_however_the_clock_is_set_back(missed: Missed, last: int) -> None:
    found = plan(missed, MINUTELY, last, NOW + 500)
    assert (found.run, found.upto) == ((), None)


def test_skip_leaves_out_what_is_late() -> None:
    found = plan(Missed.SKIP, MINUTELY, NOW - 60 * MINUTE, NOW + 500)
    assert found.run == (NOW - MINUTE, NOW)
    assert (found.skipped, found.upto) == (58, NOW)
    late = plan(Missed.SKIP, HOURLY, NOW - 600 * MINUTE, NOW + 30 * MINUTE)
    assert late.run == ()
    assert late.upto is not None
    assert late.upto <= NOW + 30 * MINUTE - LATE_MS


def test_once_runs_one_for_all_that_were_missed() -> None:
    now = NOW - NOW % 3_600_000 + 30 * MINUTE
    found = plan(Missed.ONCE, HOURLY, now - 10 * 3_600_000, now)
    assert (found.run, found.skipped) == ((now - 30 * MINUTE,), 9)


def test_once_does_not_add_to_a_tick_that_is_on_time() -> None:
    assert plan(Missed.ONCE, MINUTELY, NOW - 60 * MINUTE, NOW).run == (NOW - MINUTE, NOW)


def test_all_runs_every_one_up_to_a_limit() -> None:
    found = plan(Missed.ALL, MINUTELY, NOW - 60 * MINUTE, NOW)
    assert found.run == tuple(NOW - n * MINUTE for n in range(59, -1, -1))
    most = plan(Missed.ALL, MINUTELY, NOW - MADE_UP_MOST * MINUTE, NOW)
    assert (len(most.run), most.cut) == (MADE_UP_MOST, False)
    more = plan(Missed.ALL, MINUTELY, NOW - 365 * 1440 * MINUTE, NOW)
    assert (len(more.run), more.cut, more.run[-1]) == (MADE_UP_MOST, True, NOW)
