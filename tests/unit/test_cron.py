"""Cron expressions: what people are told, and when they tick, over the changes of clocks too."""

from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.scheduler.cron import ALIASES, BadCron, five_fields, words
from callboard.scheduler.timetable import Timetable
from callboard.scheduler.zones import names, zone

BAD = [
    ("0 25 * * *", "hour field: 25 is more than 23"),
    ("60 * * * *", "minute field: 60 is more than 59"),
    ("* * 0 * *", "day-of-month field: 0 is less than 1"),
    ("* * 32 * *", "day-of-month field: 32 is more than 31"),
    ("* * * 13 *", "month field: 13 is more than 12"),
    ("* * * foo *", "month field: 'foo' is neither a number from 1 to 12 nor a name (jan … dec)"),
    ("* * * * 8", "day-of-week field: 8 is more than 7"),
    ("* * * * monday", "day-of-week field: 'monday' is neither a number from 0 to 7 nor a name (sun … sat)"),
    ("* * * * fri-mon", "day-of-week field: fri-mon runs backwards; write it as two parts with a comma"),
    ("* * * * mon#6", "day-of-week field: #6 is none of #1 to #5"),
    ("*/0 * * * *", "minute field: a step of 0 is not from 1 to 59"),
    ("*/x * * * *", "minute field: /x is no step"),
    ("1,,2 * * * *", "minute field: there is nothing before or after a comma"),
    ("9-5 * * * *", "minute field: 9-5 runs backwards"),
    ("٣ * * * *", "minute field: '٣' is no number from 0 to 59"),
    ("* * * *", "not 4"),
    ("0 * * * * *", "not 6; there is no field for seconds"),
    ("", "takes five fields (minute hour day-of-month month day-of-week), such as 30 6 * * *, not 0"),
    ("@dayly", "'@dayly' is none of @yearly"),
    ("@reboot", "'@reboot' is none of @yearly"),
    ("0 0 30 2 *", "no month of the month field (2) has a day 30; it would never fire"),
    ("0 0 31 4,6,9,11 *", "no month of the month field (4,6,9,11) has a day 31; it would never fire"),
    ("0 0 */30 2 mon#2", "no day of the next 50 years fits all of its fields; it would never fire"),
    ("1" * 201, "is longer than 200 characters"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_wrong_is_said_with_the_field(text: str, said: str) -> None:
    with pytest.raises(BadCron) as error:
        five_fields(text)
    assert said in str(error.value)


WORDS = [
    ("30 6 * * *", "at 06:30 every day"),
    ("* * * * *", "every minute"),
    ("*/5 * * * *", "every fifth minute of every hour"),
    ("0 * * * *", "at the start of every hour"),
    ("0 9 * * mon-fri", "at 09:00 on Monday through Friday"),
    ("0 9 * * fri-sun", "at 09:00 on Friday through Sunday"),
    ("0 9 1 * 1", "at 09:00 on the first day of month and on Monday"),
    ("0 9 31 * *", "at 09:00 on the 31st day of every month"),
    ("0 9 11,21,22,23 * *", "at 09:00 on the 11th, the 21st, the 22nd, and the 23rd day of month"),
    ("0 0 L * *", "at 00:00 on the last day of every month"),
    ("0 9 * * mon#2", "at 09:00 on the second Monday of the month"),
    ("@weekly", "at 00:00 on Sunday"),
    ("@yearly", "at 00:00 on January 1"),
]


@pytest.mark.parametrize(("text", "said"), WORDS)
def test_words(text: str, said: str) -> None:
    assert words(text, "Europe/Berlin") == f"{said}, Europe/Berlin"


def values(low: int, high: int, named: list[str]) -> st.SearchStrategy[str]:
    number = st.integers(low - 1, high + 1).map(lambda n: str(max(0, n)))
    one = st.one_of(number, st.sampled_from(named)) if named else number
    span = st.tuples(one, one).map("-".join)
    term = st.one_of(st.just("*"), one, span)
    stepped = st.one_of(term, st.tuples(term, st.integers(0, high).map(str)).map("/".join))
    return st.lists(stepped, min_size=1, max_size=3).map(",".join)


def local(text: str, time_zone: str, start: str, number: int) -> list[str]:
    """Return the first ticks after a UTC time, as they read on a clock there."""
    at_ms = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() * 1000)
    ticks = Timetable(text, time_zone).next(at_ms, number)
    return [datetime.fromtimestamp(each / 1000, ZoneInfo(time_zone)).strftime("%d %H:%M%z") for each in ticks]


#: Clocks go 02:00 → 03:00 on 29 March 2026 and 03:00 → 02:00 on 25 October in Berlin, 02:00 → 03:00 on
#: 8 March and 02:00 → 01:00 on 1 November in New York, 02:00 → 02:30 on 4 October and 02:00 → 01:30 on
#: 5 April on Lord Howe.
FORWARD = [
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["29 03:00+0200", "30 02:30+0200"]),
    (
        "30 2,3 * * *",
        "Europe/Berlin",
        "2026-03-29T00:00",
        ["29 03:00+0200", "29 03:30+0200", "30 02:30+0200"],
    ),
    ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", ["29 03:00+0200", "30 02:00+0200"]),
    ("30 * * * *", "Europe/Berlin", "2026-03-29T00:00", ["29 01:30+0100", "29 03:30+0200", "29 04:30+0200"]),
    ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["30 02:00+0200", "30 02:30+0200"]),
    ("30 2 * * *", "America/New_York", "2026-03-08T00:00", ["08 03:00-0400", "09 02:30-0400"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["04 02:30+1100", "05 02:15+1100"]),
    ("*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:20", ["04 02:30+1100", "04 02:45+1100"]),
]
BACK = [
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["25 02:30+0200", "26 02:30+0100"]),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["26 02:30+0100"]),
    (
        "30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:40",
        ["25 02:30+0200", "25 02:30+0100", "25 03:30+0100"],
    ),
    ("0 1 * * *", "America/New_York", "2026-11-01T00:00", ["01 01:00-0400", "02 01:00-0500"]),
    ("*/30 1 * * *", "America/New_York", "2026-11-01T00:00",
     ["01 01:00-0400", "01 01:30-0400", "01 01:00-0500", "01 01:30-0500", "02 01:00-0500"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["05 01:45+1100", "06 01:45+1030"]),
    ("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00",
     ["05 01:45+1100", "05 01:45+1030", "05 02:45+1030"]),
    ("*/20 20 * * *", "Australia/Lord_Howe", "2026-04-04T14:00",
     ["05 20:00+1030", "05 20:20+1030", "05 20:40+1030", "06 20:00+1030"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "time_zone", "start", "expected"), FORWARD + BACK)
def test_ticks_over_a_change_of_clocks(text: str, time_zone: str, start: str, expected: list[str]) -> None:
    assert local(text, time_zone, start, len(expected)) == expected


@settings(max_examples=40)
@given(
    st.tuples(values(0, 59, []), st.just("*")) | st.tuples(st.just("*/20"), values(0, 23, [])),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from(["2026-03-08", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"]),
)
def test_by_the_clock_every_minute_it_shows_counts(fields: tuple[str, str], where: str, day: str) -> None:
    """Two days around a change of clocks, minute by minute."""
    text = f"{fields[0]} {fields[1]} * * *"
    try:
        rules = CronSim(five_fields(text), datetime(2026, 1, 1, tzinfo=UTC))
    except BadCron:
        return
    if not (fields[0].startswith("*") or fields[1].startswith("*")):
        return
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    minutes = [datetime.fromtimestamp(start + 60 * n, ZoneInfo(where)) for n in range(1, 2 * 1440)]
    shown = [at for at in minutes if at.minute in rules.minutes and at.hour in rules.hours]
    found = takewhile(
        lambda tick: tick < (start + 2 * 86_400) * 1000, Timetable(text, where).after(start * 1000)
    )
    assert list(found) == [int(at.timestamp()) * 1000 for at in shown]


def test_a_day_fixed_by_month_and_by_week_is_either_of_them() -> None:
    assert local("0 9 1 * 1", "UTC", "2026-06-25T00:00", 3) == [
        "29 09:00+0000",
        "01 09:00+0000",
        "06 09:00+0000",
    ]


@pytest.mark.parametrize(
    "text", ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * SUN", "@weekly", "@WEEKLY"]
)
def test_sunday_has_many_names(text: str) -> None:
    assert local(text, "UTC", "2026-11-22T00:00", 2) == ["29 00:00+0000", "06 00:00+0000"]


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_are_their_five_fields(alias: str) -> None:
    at_ms = 1_790_000_000_000
    assert Timetable(alias, "Europe/Berlin").next(at_ms, 3) == Timetable(
        ALIASES[alias], "Europe/Berlin"
    ).next(at_ms, 3)


EXPRESSIONS = st.tuples(
    values(0, 59, []),
    values(0, 23, []),
    st.one_of(values(1, 31, []), st.sampled_from(["L", "LW"])),
    values(1, 12, ["jan", "Feb", "DEC"]),
    st.one_of(values(0, 7, ["mon", "Sun", "SAT"]), st.sampled_from(["5L", "mon#1", "1#5,2"])),
).map(" ".join)


@settings(max_examples=300)
@given(EXPRESSIONS)
def test_what_is_taken_is_what_cronsim_reads(text: str) -> None:
    try:
        read = five_fields(text)
    except BadCron:
        fits = CronSim
        with pytest.raises((CronSimError, StopIteration)):
            next(fits(text.replace("-Sun", "-7"), datetime(2026, 1, 1, tzinfo=UTC)))
        return
    next(CronSim(read, datetime(2026, 1, 1, tzinfo=UTC)))
    assert words(text, "UTC").endswith(", UTC")


@settings(max_examples=60)
@given(
    st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "15 */2 * * *", "0 0 1 * *", "45 1,2 * * sun"]
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(1_772_000_000, 1_796_000_000),
    st.integers(0, 3 * 86_400),
    st.integers(1, 50),
)
def test_the_newest_ticks_are_the_last_of_all(
    text: str, where: str, start: int, span: int, most: int
) -> None:
    table = Timetable(text, where)
    after, upto = start * 1000, (start + span) * 1000
    everything = list(takewhile(lambda tick: tick <= upto, table.after(after)))
    assert everything == sorted(set(everything))
    assert table.newest(after, upto, most) == everything[-most:]


def test_a_year_without_a_scheduler_is_looked_through_from_its_end() -> None:
    now = 1_790_000_000_000
    assert Timetable("* * * * *", "UTC").newest(now - 365 * 86_400_000, now, 2)[-1] > now - 60_000
    assert len(Timetable("0 3 * * *", "UTC").newest(now - 365 * 86_400_000, now, 1_000)) == 365


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Berlin", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berlinn", "did you mean Europe/Berlin"),
        ("New York", "did you mean America/New_York?"),
        ("Amerika/New_York", "did you mean America/New_York?"),
        ("xyz", "use an IANA name such as Europe/Berlin"),
        ("", "use an IANA name such as Europe/Berlin"),
        ("../../etc/passwd", "use an IANA name such as Europe/Berlin"),
        ("Factory", "is no time zone"),
    ],
)
def test_an_unknown_zone_is_answered_with_near_ones(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match="is no time zone") as error:
        zone(name)
    assert meant in str(error.value)


def test_every_zone_that_is_offered_can_be_used() -> None:
    assert {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} <= set(names())
    for name in names():
        assert zone(name).key == name
