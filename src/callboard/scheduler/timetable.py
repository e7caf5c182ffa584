"""When a cron expression ticks in a time zone. Pure; cronsim finds the ticks, as Debian's cron does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from cronsim import CronSim

from callboard.scheduler.cron import five_fields
from callboard.scheduler.zones import zone

MINUTE_MS: Final = 60_000
#: How far back the newest ticks are looked for, one after the other.
_SPANS: Final = tuple(timedelta(days=days) for days in (1 / 24, 1, 32, 400, 4_000, 40_000))
#: Minutes after a change of clocks by half an hour in which cronsim leaves ticks out.
_BLIND_MINUTES: Final = 25 * 60


class Timetable:
    """All ticks of an expression, in milliseconds since the epoch.

    Where clocks are set forward, a fixed time that is left out comes as soon as they have been; where they
    are set back, one that comes twice ticks the first time only. An expression whose minutes or hours begin
    with `*` goes by what the clock shows: it leaves out what is left out and repeats what is repeated.
    """

    def __init__(self, cron: str, time_zone: str) -> None:
        """Raise ValueError when either cannot be read."""
        self._cron = five_fields(cron)
        self._zone = zone(time_zone)
        minute, hour, *_ = self._cron.split()
        self._by_the_clock = minute.startswith("*") or hour.startswith("*")

    def after(self, at_ms: int) -> Iterator[int]:
        """Find the ticks later than `at_ms`, without end."""
        found = self._simulated(at_ms)
        if not self._by_the_clock:
            yield from found
            return
        before = at_ms
        for tick in found:
            if (self._offset(tick) - self._offset(before)) % timedelta(hours=1):
                yield from self._left_out(before, tick)
            yield tick
            before = tick

    def _simulated(self, at_ms: int) -> Iterator[int]:
        start = datetime.fromtimestamp(at_ms // 1000, UTC)
        for each in CronSim(self._cron, start.astimezone(self._zone)):
            tick = int(each.timestamp()) * 1000
            if tick > at_ms:  # cronsim begins in the first of two hours when clocks are set back
                yield tick

    def _offset(self, at_ms: int) -> timedelta:
        found = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(self._zone).utcoffset()
        assert found is not None  # noqa: S101 - a zone always has one
        return found

    def _left_out(self, before: int, tick: int) -> Iterator[int]:
        """Find ticks that cronsim passes over: it steps by whole hours, but clocks went by half of one.

        Lord Howe Island's do, twice a year.
        """
        low, high = before // MINUTE_MS, tick // MINUTE_MS
        old = self._offset(before)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle * MINUTE_MS) == old else (low, middle)
        rules = CronSim(self._cron, datetime(2026, 1, 1, tzinfo=UTC))
        for minute in range(high, min(tick // MINUTE_MS, high + _BLIND_MINUTES)):
            at = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
            fits = at.minute in rules.minutes and at.hour in rules.hours and at.month in rules.months
            if fits and rules.match_day(at.date()) and minute * MINUTE_MS > before:
                yield minute * MINUTE_MS

    def next(self, at_ms: int, number: int) -> list[int]:
        """Return the first ticks after `at_ms`; fewer when there are no more within 50 years."""
        return list(islice(self.after(at_ms), number))

    def newest(self, after_ms: int, upto_ms: int, most: int) -> list[int]:
        """Return the newest ticks later than `after_ms` and not later than `upto_ms`, oldest first.

        At most `most` of them. Looks back in growing steps, so that a year of minutes costs no more than
        a day of them.
        """
        found: list[int] = []
        for span in _SPANS:
            start = max(after_ms, upto_ms - int(span.total_seconds() * 1000))
            found = []
            for tick in self.after(start):
                if tick > upto_ms:
                    break
                found.append(tick)
            if len(found) >= most or start == after_ms:
                break
        return found[-most:]
