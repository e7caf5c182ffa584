"""Whether it is worth asking Redis now: a circuit breaker without I/O, used by aio.py.

While Redis is in doubt one call at a time finds out whether it is back, and everybody else is refused at
once. So a Redis that has gone silent, and answers nobody within the 2 s of a socket's timeout, does not
make every request wait for them.
"""

from typing import Final

#: Seconds between two probes at least: a dead port refuses them in no time.
PROBE_EVERY_S: Final = 0.02


class Doubt:
    """What one process thinks of its Redis; `now` is a monotonic time in seconds."""

    def __init__(self) -> None:
        #: What Redis did last, or None: there is no doubt.
        self.reason: str | None = None
        self._probed_at = float("-inf")

    def arise(self, reason: str) -> None:
        """Redis has failed, or has been silent for too long."""
        self.reason = reason

    def end(self) -> None:
        """Redis has answered."""
        self.reason = None

    def admits(self, now: float, *, under_way: bool) -> bool:
        """Tell whether a call may be sent; `under_way`: the answer to an earlier one is still to come."""
        if self.reason is None:
            return True
        if under_way or now - self._probed_at < PROBE_EVERY_S:
            return False
        self._probed_at = now
        return True
