"""What a worker tells the process it makes for one task."""

import subprocess
import sys

import msgspec
import pytest

from callboard.settings import Settings, from_env
from callboard.worker.apart import Installation, Job, Order

EVERYTHING = {
    "CALLBOARD_BROKER_URL": "amqp://user:secret@localhost:5672/",
    "CALLBOARD_REDIS_URL": "redis://:secret@localhost:6379/0",
    "CALLBOARD_PROXIES": "10.0.0.0/8,::1",
    "CALLBOARD_API_KEYS": "shop:submit:cb_" + "k" * 43,
    "CALLBOARD_ACTORS": "actors,mine",
}


def test_the_order_comes_whole_whatever_the_settings_hold() -> None:
    job = Job(task_type="a", task_id="b", run=1, attempt=1, attempt_limit=4, parameters={"n": 2**60})
    for settings in (Settings(), from_env(EVERYTHING)):
        order = Order(Installation(settings, ["/here"]), job)
        assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


@pytest.mark.parametrize("part", [b"", b'{"installation": {"sett'])
def test_without_a_whole_order_it_ends_and_says_nothing(part: bytes) -> None:
    """Its worker was killed before it had written it."""
    command = [sys.executable, "-m", "callboard.apart", "1"]
    ended = subprocess.run(command, input=part, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
