"""Rates and quotas as they are written, and the headers that tell of them."""

import pytest

from callboard.access.limits import Rate, Taken, headers, parse_quota, parse_rate


@pytest.mark.parametrize("text", ["100/s", "600/min", "5000/h", "1/s"])
def test_a_rate_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_rate(text)) == text


@pytest.mark.parametrize(
    "text", ["", "100", "0/s", "-1/s", "1.5/s", "1/d", "1 /s", "٣/s", "9999999999/s", "1/s;"]
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="100/s, 600/min or 5000/h"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1e3", "1.0", "٣", "99999999999"])
def test_what_is_no_quota_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"e\.g\. 10000"):
        parse_quota(text)


def test_headers_tell_policy_and_state_and_when_to_come_again() -> None:
    rate = Rate(100, 60)
    free = Taken(None, 99, 600, 0, 0, 3_600_000)
    assert headers(rate, None, free) == {
        "RateLimit-Policy": '"default";q=100;w=60',
        "RateLimit": '"default";r=99;t=1',
    }
    full = Taken("rate", 0, 60_000, 1, 5, 3_600_000)
    assert headers(rate, 10, full) == {
        "RateLimit-Policy": '"default";q=100;w=60, "quota";q=10;w=86400',
        "RateLimit": '"default";r=0;t=60, "quota";r=5;t=3600',
        "Retry-After": "1",
    }
    assert headers(None, 10, Taken("quota", 0, 0, 0, 0, 3_600_000))["Retry-After"] == "3600"
