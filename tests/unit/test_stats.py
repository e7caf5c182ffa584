"""The sums and percentiles of per-minute statistics."""

import math
import random
from collections import Counter

import pytest

from callboard.store import stats
from callboard.store.keys import Keys
from callboard.store.stats import TypeStats, by_type, percentile, percentiles, total


def bucket(ms: float) -> int:
    """The bucket of conclude.lua."""
    return math.ceil(2 * math.log2(max(ms, 1)))


def test_a_minute_is_one_hash_read_in_either_shape() -> None:
    call = stats.minute(Keys("n:"), 29_000_000)
    assert call.command() == ["HGETALL", "n:stats:29000000"]
    flat = [b"a|succeeded", b"3", b"a|failed", b"1", b"a|run|7", b"4", b"b|wait|0", b"2", b"b|retrying", b"2"]
    found = call.decode(flat)
    assert found == call.decode(dict(zip(flat[::2], flat[1::2], strict=True)))
    assert found == {
        "a": TypeStats(Counter(succeeded=3, failed=1), Counter({7: 4})),
        "b": TypeStats(Counter(retrying=2), wait=Counter({0: 2})),
    }
    assert call.decode([]) == {}


def test_minutes_add_up_by_type_in_order_of_name() -> None:
    one = {"b": TypeStats(Counter(succeeded=1), Counter({3: 1}))}
    two = {"a": TypeStats(Counter(failed=2)), "b": TypeStats(Counter(succeeded=4), Counter({3: 1, 5: 1}))}
    summed = by_type([one, two])
    assert list(summed) == ["a", "b"]
    assert summed["b"] == TypeStats(Counter(succeeded=5), Counter({3: 2, 5: 1}))
    assert total(summed.values()).outcomes == Counter(succeeded=5, failed=2)
    assert one["b"].outcomes == Counter(succeeded=1), "what was added is left as it was"


def test_without_times_there_is_no_percentile() -> None:
    assert percentile(Counter(), 0.5) is None
    assert percentiles(Counter()) == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(("ms", "seconds"), [(0, 0.001), (1, 0.001), (2, 0.002), (1024, 1.024)])
def test_one_time_is_at_most_its_bucket(ms: int, seconds: float) -> None:
    histogram = Counter({bucket(ms): 1})
    found = percentile(histogram, 1)
    assert found == pytest.approx(seconds)
    least = percentile(histogram, 0.01)
    assert least is not None
    assert seconds / math.sqrt(2) <= least <= seconds


@pytest.mark.parametrize("seed", range(20))
def test_a_percentile_is_less_than_a_factor_of_root_two_off(seed: int) -> None:
    drawn = random.Random(seed)
    times = sorted(round(drawn.lognormvariate(5, 2)) + 1 for _ in range(drawn.randint(1, 500)))
    histogram = Counter(bucket(ms) for ms in times)
    for fraction in (0.5, 0.95, 0.99):
        true = times[math.ceil(fraction * len(times)) - 1] / 1000
        found = percentile(histogram, fraction)
        assert found is not None
        assert true / math.sqrt(2) * 0.999 <= found <= true * math.sqrt(2) * 1.001


def test_percentiles_never_cross() -> None:
    histogram = Counter({0: 5, 4: 80, 9: 10, 30: 1})
    found = [value for value in percentiles(histogram).values() if value is not None]
    assert found == sorted(found)
    assert len(found) == 3
