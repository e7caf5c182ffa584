"""What RabbitMQ and Redis refuse is told with the line of .env that says otherwise."""

import pytest

from deploy.containers.env import Env
from deploy.containers.hopeless import refusal

_LOGIN = (
    "RabbitMQ at mq:5672: ConnectionClosedByBroker: (403) 'ACCESS_REFUSED - Login was refused using "
    "authentication mechanism PLAIN. For details see the broker logfile.'"
)
_REDIS = "Redis cannot serve now: AuthenticationError: invalid username-password pair or user is disabled."


def env(profiles: str) -> Env:
    return Env(
        {
            "COMPOSE_PROFILES": profiles,
            "CALLBOARD_BROKER_URL": "amqp://callboard:hidden-word@mq:5672/callboard",
            "CALLBOARD_REDIS_URL": "redis://callboard:hidden-word@data:6379/0",
        }
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (_LOGIN, "RabbitMQ at mq:5672 refuses the user callboard; .env: CALLBOARD_BROKER_URL"),
        ("(530) 'NOT_ALLOWED - vhost other not found'", "RabbitMQ at mq:5672 has no such virtual host"),
        (
            "(530) \"NOT_ALLOWED - access to vhost 'x' refused for user 'callboard'\"",
            "RabbitMQ at mq:5672 does not let callboard into the virtual host; .env: CALLBOARD_BROKER_URL",
        ),
        (_REDIS, "Redis at data:6379 refuses the user callboard; .env: CALLBOARD_REDIS_URL"),
        ("NOAUTH Authentication required.", "Redis at data:6379 refuses the user callboard; .env:"),
        ("NoPermissionError: no permissions", "Redis at data:6379 gives the user callboard too few"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_line_and_no_secret(said: str, told: str) -> None:
    line = refusal(env("web"), said)
    assert line is not None
    assert line.startswith(told)
    assert "hidden-word" not in line
    assert "own host has in its .env" in line


def test_a_server_of_this_host_takes_its_users_from_env_when_it_starts() -> None:
    assert "`make down`, then `make up`" in (refusal(env("all"), _REDIS) or "")


@pytest.mark.parametrize(
    "said",
    [
        "RabbitMQ at mq:5672: ConnectionRefusedError: [Errno 111] Connection refused",
        "RabbitMQ is not connected yet",
        "Redis cannot serve now: BusyLoadingError: Redis is loading the dataset in memory",
        "no answer",
    ],
)
def test_what_may_get_better_is_no_refusal(said: str) -> None:
    assert refusal(env("all"), said) is None
