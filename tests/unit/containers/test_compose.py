"""What is told of a compose program or an engine that failed: the line that says why."""

import pytest

from deploy.containers.compose import last_line

_TIMERS = 'time="2026-11-22T18:00:31Z" level=error msg="unable to get systemd connection"'
_PORT = 'Error: unable to start container "2930": listen tcp4 127.0.0.1:5000: bind: address already in use'


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"81f3ee\n{_TIMERS}\n{_PORT}\n{_TIMERS}\ncallboard_worker_1\n", _PORT),
        (f"one\n{_TIMERS}\ncallboard_worker_1\n", _TIMERS),
        ("one\ntwo\n\n", "two"),
        (" \n", "it said nothing"),
        ("Error response from daemon: no image\nsee `docker --help`", "Error response from daemon: no image"),
    ],
)  # fmt: skip
def test_the_line_that_says_why_is_told(said: str, told: str) -> None:
    assert last_line(said) == told
