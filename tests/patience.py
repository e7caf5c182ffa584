"""How long a test waits for what has to happen: until it happens, however slow and busy the machine is."""

from collections.abc import Callable
from typing import Any, Final

from callboard.local import process

#: Seconds until a test gives up on something that does not happen. It bounds every wait and tells nothing of
#: how fast anything is: tests/chaos and the benchmarks measure that.
PATIENCE_S: Final = 60.0


def wait_until(check: Callable[[], Any], *, what: str, every_s: float = 0.05) -> None:
    """Call `check` every `every_s` seconds until it is true; raises LocalServerError naming `what`."""
    process.wait_until(lambda: bool(check()), timeout_s=PATIENCE_S, what=what, every_s=every_s)
