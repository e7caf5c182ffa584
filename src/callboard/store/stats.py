"""Per-minute statistics, read from what conclude.lua counts, and the sums and percentiles of them. Pure.

A minute's hash holds `{type}|{outcome}` → how many runs ended so, and two histograms by type,
`{type}|run|{bucket}` and `{type}|wait|{bucket}`: bucket n holds times above 2^((n-1)/2) ms and up to
2^(n/2) ms, bucket 0 all up to 1 ms.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, text

#: How a run can end, in the order they are shown.
OUTCOMES: Final = ("succeeded", "failed", "cancelled", "retrying")
PERCENTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
#: Minutes that are kept (conclude.lua lets each live 25 h).
MINUTES_MOST: Final = 1_440

Histogram = Counter[int]


@dataclass(frozen=True, slots=True)
class TypeStats:
    """What is known of the runs of one task type, in one minute or in many."""

    outcomes: Counter[str] = field(default_factory=Counter)
    run: Histogram = field(default_factory=Counter)
    wait: Histogram = field(default_factory=Counter)

    def add(self, other: "TypeStats") -> None:
        """Add another's numbers to these."""
        self.outcomes.update(other.outcomes)
        self.run.update(other.run)
        self.wait.update(other.wait)


#: By task type.
MinuteStats = Mapping[str, TypeStats]


def minute(keys: Keys, number: int) -> Call[MinuteStats]:
    """Read one minute (since the epoch)."""
    return Call(_minute, ["HGETALL", f"{keys.prefix}stats:{number}"])


def _minute(answer: Any) -> MinuteStats:
    pairs = answer.items() if isinstance(answer, Mapping) else zip(answer[::2], answer[1::2], strict=True)
    found: dict[str, TypeStats] = {}
    for name, value in pairs:
        task_type, *what = text(name).split("|")
        entry = found.setdefault(task_type, TypeStats())
        if what[0] == "run":
            entry.run[int(what[1])] += int(value)
        elif what[0] == "wait":
            entry.wait[int(what[1])] += int(value)
        else:
            entry.outcomes[what[0]] += int(value)
    return found


def total(all_stats: Iterable[TypeStats]) -> TypeStats:
    """Return the sum."""
    whole = TypeStats()
    for each in all_stats:
        whole.add(each)
    return whole


def by_type(minutes: Iterable[MinuteStats]) -> dict[str, TypeStats]:
    """Return the sums of some minutes for each task type, by name."""
    found: dict[str, TypeStats] = {}
    for each in minutes:
        for task_type, stats in each.items():
            found.setdefault(task_type, TypeStats()).add(stats)
    return dict(sorted(found.items()))


def percentile(histogram: Histogram, fraction: float) -> float | None:
    """Return the seconds below which this fraction of the times lies; None when there are no times.

    Inside its bucket the place is interpolated on the logarithmic scale, so the answer is never more than a
    factor of √2 off.
    """
    number = histogram.total()
    if number == 0:
        return None
    rank = fraction * number
    below = 0
    bucket = 0
    for bucket in sorted(histogram):
        if below + histogram[bucket] >= rank:
            break
        below += histogram[bucket]
    inside = (rank - below) / histogram[bucket]
    return float(2 ** ((bucket - 1 + inside) / 2)) / 1000


def percentiles(histogram: Histogram) -> dict[str, float | None]:
    """Return p50, p95 and p99 in seconds, to the tenth of a millisecond."""
    found = {name: percentile(histogram, fraction) for name, fraction in PERCENTILES.items()}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}
