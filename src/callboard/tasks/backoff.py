"""How long a failed task waits before its next attempt. Pure; the random source is handed in."""

import random
from typing import Final

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 60_000

#: Jitter adds up to half of the wait, so that tasks that failed together do not come back together.
JITTER: Final = 0.5


def backoff_ms(attempt: int, rng: random.Random) -> int:
    """Return the wait in milliseconds after failed attempt number `attempt` (1, 2, …).

    1 s, 2 s, 4 s … plus jitter, never below 1 s and never above 60 s.
    """
    base = FIRST_MS * 2 ** min(max(attempt, 1) - 1, 6)
    return min(LONGEST_MS, int(base * (1 + JITTER * rng.random())))
