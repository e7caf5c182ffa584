"""How much a key may ask for: requests per time, and tasks per day. Pure; counted by lua/limit_take.lua."""

import re
from dataclasses import dataclass
from typing import Final

_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}
_RATE: Final = re.compile(r"([0-9]{1,9})/(s|min|h)")
DAY_S: Final = 86_400
QUOTA_MOST: Final = 10**9


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` requests per `seconds`; as many may come at once."""

    count: int
    seconds: int

    def __str__(self) -> str:
        """Return it as it is written: `100/s`."""
        return f"{self.count}/{next(unit for unit, each in _SECONDS.items() if each == self.seconds)}"


def parse_rate(text: str) -> Rate:
    """Return the rate of `100/s`, `600/min` or `5000/h`; raises ValueError."""
    found = _RATE.fullmatch(text.strip())
    if found is None or int(found[1]) < 1:
        raise ValueError(f"{text[:40]!r} is no rate; e.g. 100/s, 600/min or 5000/h")
    return Rate(int(found[1]), _SECONDS[found[2]])


def parse_quota(text: str) -> int:
    """Return a number of tasks per day; raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 11 and 1 <= int(text) <= QUOTA_MOST):
        raise ValueError(f"{text[:40]!r} is no number of tasks from 1 to {QUOTA_MOST}; e.g. 10000")
    return int(text)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was left after a request of a key with limits; times in milliseconds from now."""

    #: None: it may pass; else which limit it met, `rate` or `quota`.
    refused: str | None
    left: int
    #: Until all of the rate is there again, and until one more request may pass.
    full_ms: int
    again_ms: int
    tasks_left: int
    day_ends_ms: int


def headers(rate: Rate | None, quota: int | None, taken: Taken) -> dict[str, str]:
    """Return `RateLimit-Policy`, `RateLimit` and, when it was refused, `Retry-After`.

    After draft-ietf-httpapi-ratelimit-headers: policy `"default"` counts requests, `"quota"` tasks.
    """
    policies, states = [], []
    if rate is not None:
        policies.append(f'"default";q={rate.count};w={rate.seconds}')
        states.append(f'"default";r={taken.left};t={_up(taken.full_ms)}')
    if quota is not None:
        policies.append(f'"quota";q={quota};w={DAY_S}')
        states.append(f'"quota";r={taken.tasks_left};t={_up(taken.day_ends_ms)}')
    found = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
    if taken.refused:
        wait_ms = taken.again_ms if taken.refused == "rate" else taken.day_ends_ms
        found["Retry-After"] = str(max(1, _up(wait_ms)))
    return found


def _up(ms: int) -> int:
    return -(-ms // 1000)
