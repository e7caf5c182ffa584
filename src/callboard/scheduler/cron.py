"""Cron expressions: what is wrong with one, and what it says, in words. Pure.

cronsim finds the ticks (timetable.py). It says only which field is bad, so the fields are read here first,
for people.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cronsim import CronSim, CronSimError

#: Characters of an expression.
LENGTH_MOST: Final = 200

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ORDINAL: Final = re.compile(r"\b(\d*(?<!1)[123])th\b")


class BadCron(ValueError):
    """Says which field cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    #: The number of the first name.
    first: int = 0

    def check(self, text: str) -> None:
        """Raise BadCron unless cronsim reads this field as people mean it."""
        for term in text.split(","):
            self._term(term)

    def _term(self, term: str) -> None:
        if not term:
            raise self._bad("there is nothing before or after a comma")
        if self.name == "day-of-month" and term in ("L", "LW"):
            return
        if self.name == "day-of-week" and (nth := re.fullmatch(r"([0-7])L|(\w+)#(\w+)", term)):
            if nth[2]:
                self._value(nth[2])
                if nth[3] not in ("1", "2", "3", "4", "5"):
                    raise self._bad(f"#{nth[3].lower()} is none of #1 to #5")
            return
        span, slash, step = term.partition("/")
        if slash:
            self._step(step)
        if span == "*":
            return
        start, dash, end = span.partition("-")
        low = self._value(start)
        if dash and self._value(end) < low:
            raise self._bad(f"{span.lower()} runs backwards; write it as two parts with a comma between")

    def _step(self, step: str) -> None:
        if not (step.isascii() and step.isdigit()):
            raise self._bad(f"/{step.lower()[:20]} is no step; write a number after the slash")
        if not 1 <= int(step[:9]) <= self.high:
            raise self._bad(f"a step of {step[:9]} is not from 1 to {self.high}")

    def _value(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.first
        if not (text.isascii() and text.isdigit()):
            known = f" nor a name ({self.names[0]} … {self.names[-1]})".lower() if self.names else ""
            what = "neither a number" if known else "no number"
            raise self._bad(f"{text.lower()[:20]!r} is {what} from {self.low} to {self.high}{known}")
        value = int(text[:9])
        if value > self.high:
            raise self._bad(f"{value} is more than {self.high}")
        if value < self.low:
            raise self._bad(f"{value} is less than {self.low}")
        return value

    def _bad(self, detail: str) -> BadCron:
        return BadCron(f"{self.name} field: {detail}")


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day-of-week", 0, 7, _DAYS),
)


def five_fields(text: str) -> str:
    """Return an expression as five fields in capitals; raises BadCron.

    One that would never fire (30 February) is bad as well.
    """
    given = text[: LENGTH_MOST + 1].strip()
    if len(given) > LENGTH_MOST:
        raise BadCron(f"is longer than {LENGTH_MOST} characters")
    if given.startswith("@"):
        if given.lower() not in ALIASES:
            raise BadCron(f"{given[:20]!r} is none of {', '.join(ALIASES)}")
        return ALIASES[given.lower()]
    fields = given.upper().split()
    if len(fields) == len(_FIELDS):
        fields[4] = fields[4].replace("-SUN", "-7")  # a week that ends with Sunday
    if len(fields) != len(_FIELDS):
        seconds = "; there is no field for seconds" if len(fields) == 6 else ""
        names = " ".join(each.name for each in _FIELDS)
        raise BadCron(f"takes five fields ({names}), such as 30 6 * * *, not {len(fields)}{seconds}")
    for field, each in zip(_FIELDS, fields, strict=True):
        field.check(each)
    cron = " ".join(fields)
    _check_fires(cron)
    return cron


def _check_fires(cron: str) -> None:
    day, month = cron.split()[2:4]
    try:
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError:  # each field by itself is good
        detail = f"day-of-month field: no month of the month field ({month.lower()}) has a day {day}"
        raise BadCron(f"{detail}; it would never fire") from None
    except StopIteration:
        raise BadCron("no day of the next 50 years fits all of its fields; it would never fire") from None


def words(cron: str, time_zone: str) -> str:
    """Return what an expression says, such as `at 06:30 every day, Europe/Berlin`; raises BadCron."""
    said = CronSim(five_fields(cron), datetime(2026, 1, 1, tzinfo=UTC)).explain()
    said = _ORDINAL.sub(lambda found: found[1] + {"1": "st", "2": "nd", "3": "rd"}[found[1][-1]], said)
    return f"{said[0].lower()}{said[1:]}, {time_zone}"
