"""Which of the ticks that are due are run, and which are left out. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from callboard.scheduler.timetable import Timetable

#: Milliseconds a tick may be late and still count as on time: a scheduler that was killed, or could not
#: reach RabbitMQ for one tick, has missed nothing.
LATE_MS: Final = 120_000
#: Missed ticks that are made up at most.
MADE_UP_MOST: Final = 1_000


class Missed(StrEnum):
    """What becomes of ticks for which nobody was there."""

    SKIP = "skip"  # they are left out
    ONCE = "once"  # one run stands for all of them
    ALL = "all"  # each is run, the newest MADE_UP_MOST of them


@dataclass(frozen=True, slots=True)
class Plan:
    """The ticks to run, oldest first; how many are left out; whether there were even more."""

    run: tuple[int, ...]
    skipped: int = 0
    cut: bool = False
    #: The last tick that is settled with this; None: there was none.
    upto: int | None = None


def plan(missed: Missed, table: Timetable, last_ms: int, now: int) -> Plan:
    """Return what to do with the ticks after `last_ms` up to `now`."""
    found = table.newest(last_ms, now, MADE_UP_MOST + 1)
    cut = len(found) > MADE_UP_MOST
    if not found:
        return Plan(())
    run = [tick for tick in found if tick > now - LATE_MS]
    if missed is Missed.ALL:
        run = found[-MADE_UP_MOST:]
    elif missed is Missed.ONCE and not run:
        run = found[-1:]
    return Plan(tuple(run), len(found) - len(run), cut, found[-1])
