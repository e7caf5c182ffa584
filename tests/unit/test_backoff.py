"""The wait between attempts: within its bounds, growing, and spread."""

import random

from hypothesis import given
from hypothesis import strategies as st

from callboard.tasks.backoff import FIRST_MS, JITTER, LONGEST_MS, backoff_ms


class Least(random.Random):
    """A random source that always gives its least value."""

    def random(self) -> float:
        return 0.0


class Most(random.Random):
    """A random source that always gives its greatest value."""

    def random(self) -> float:
        return 1.0 - 2**-53


@given(st.integers(-5, 10_000), st.randoms())
def test_a_wait_is_never_below_one_second_nor_above_sixty(attempt: int, rng: random.Random) -> None:
    assert 1_000 <= backoff_ms(attempt, rng) <= 60_000


@given(st.integers(1, 10_000))
def test_the_least_wait_doubles_until_it_is_as_long_as_allowed(attempt: int) -> None:
    wait, following = backoff_ms(attempt, Least()), backoff_ms(attempt + 1, Least())
    assert following == min(2 * wait, LONGEST_MS)


@given(st.integers(1, 5))
def test_a_later_attempt_waits_longer_than_an_earlier_one_with_any_luck(attempt: int) -> None:
    assert backoff_ms(attempt, Most()) < backoff_ms(attempt + 1, Least())


@given(st.integers(1, 100), st.randoms())
def test_jitter_adds_at_most_half(attempt: int, rng: random.Random) -> None:
    least = backoff_ms(attempt, Least())
    assert least <= backoff_ms(attempt, rng) <= min(LONGEST_MS, least * (1 + JITTER))


def test_the_waits_are_one_two_four_seconds_and_so_on() -> None:
    waits = [backoff_ms(attempt, Least()) for attempt in range(1, 9)]
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert waits[0] == FIRST_MS


def test_tasks_that_failed_together_do_not_all_come_back_together() -> None:
    rng = random.Random(7)
    assert len({backoff_ms(3, rng) for _ in range(100)}) > 90


def test_the_same_seed_gives_the_same_waits() -> None:
    one, other = random.Random(1), random.Random(1)
    assert [backoff_ms(n, one) for n in range(1, 10)] == [backoff_ms(n, other) for n in range(1, 10)]
