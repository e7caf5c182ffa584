"""Where nobody is asked for a key, only loopback's own names lead here, and those of the setting."""

import pytest

from callboard.access.host_names import KNOWN_MOST, HostNames, parse_names

NAMES = HostNames(parse_names("tasks.Example.org, intern"))


@pytest.mark.parametrize(
    "host",
    [
        None,  # no browser leaves it out
        "localhost",
        "LocalHost:5000",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.8.9.10:1",
        "[::1]",
        "[::1]:5000",
        "tasks.example.org",
        "TASKS.example.org:8443",
        "intern:80",
    ],
)
def test_loopback_and_the_names_of_the_setting_are_ours(host: str | None) -> None:
    assert NAMES.ours(host)
    assert NAMES.ours(host)  # as it is remembered


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:5000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:127.0.0.1",
        "x.localhost",
        "[::1].evil.example",
        "[::1",
        "::1",
        "10.0.0.1",
        "0.0.0.0:5000",
        "[::ffff:10.0.0.1]:5000",
        "127.1",
        "2130706433",
        "localhost:5000:5000",
        "localhost:http",
        "other.tasks.example.org",
        "localhost, evil.example",
        "\u0660127.0.0.1",
    ],
)
def test_any_other_name_is_not(host: str) -> None:
    assert not NAMES.ours(host)
    assert not NAMES.ours(host)


def test_what_is_remembered_has_an_end() -> None:
    names = HostNames(())
    for port in range(3 * KNOWN_MOST):
        assert names.ours(f"localhost:{port}")
        assert not names.ours(f"evil.example:{port}")
    assert len(names) <= KNOWN_MOST


@pytest.mark.parametrize("text", ["http://a.example", "a.example:80", "a b", "a/b", "*", "*.example.org"])
def test_what_is_no_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"e\.g\. tasks\.example\.org"):
        parse_names(f"ok.example,{text}")
