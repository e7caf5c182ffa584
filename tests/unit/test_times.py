"""Times: RFC 3339 UTC with milliseconds outside, integers of milliseconds inside."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.tasks.times import FIRST_MS, LAST_MS, from_rfc3339, now_ms, to_rfc3339

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@given(st.integers(FIRST_MS, LAST_MS))
def test_every_time_survives_the_way_out_and_in_again(at_ms: int) -> None:
    text = to_rfc3339(at_ms)
    assert text is not None
    assert RFC_3339.fullmatch(text)
    assert from_rfc3339(text) == at_ms


@given(st.datetimes(timezones=st.timezones()))
def test_whatever_is_read_can_be_written(moment: datetime) -> None:
    try:
        at_ms = from_rfc3339(moment.isoformat())
    except ValueError:
        return  # an offset of years long gone that the format cannot write, or beyond the range
    text = to_rfc3339(at_ms)
    assert text is not None
    assert RFC_3339.fullmatch(text)


def test_a_known_moment_reads_as_rfc_3339() -> None:
    assert to_rfc3339(1_769_860_800_007) == "2026-01-31T12:00:00.007Z"


def test_the_range_is_the_years_that_rfc_3339_can_write() -> None:
    assert to_rfc3339(FIRST_MS) == "0001-01-01T00:00:00.000Z"
    assert to_rfc3339(LAST_MS) == "9999-12-31T23:59:59.999Z"


def test_no_time_stays_no_time() -> None:
    assert to_rfc3339(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T14:00:00+02:00",
        "2026-01-31T06:30:00-05:30",
        "2026-01-31 12:00:00Z",
    ],
)
def test_one_moment_may_be_written_with_any_offset(text: str) -> None:
    assert from_rfc3339(text) == 1_769_860_800_000


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01T00:00:00Z", "1769860800", "2026-01-31T25:00:00Z"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time; write it as 2026-01-31T12:00:00Z"):
        from_rfc3339(text)


@pytest.mark.parametrize("text", ["20270101T000000Z", "2026-W01-1T00:00:00Z", "2026-01-31", "2026-01-31T12Z"])
def test_other_forms_of_iso_8601_are_no_rfc_3339(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        from_rfc3339(text)


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00"])
def test_a_time_without_an_offset_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="no offset; end it with Z"):
        from_rfc3339(text)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59.9999Z",  # rounds up to the year 10000
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
    ],
)
def test_a_time_that_could_not_be_written_back_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        from_rfc3339(text)


def test_the_clock_counts_milliseconds_of_utc() -> None:
    before = datetime.now(UTC).timestamp() * 1000
    at_ms = now_ms()
    after = datetime.now(UTC).timestamp() * 1000
    assert before - 1 <= at_ms <= after + 1
