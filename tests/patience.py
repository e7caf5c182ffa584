"""How long a test waits for what has to happen: until it happens, however slow and busy the machine is."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from callboard.local import process

#: Seconds until a test gives up on something that does not happen. It bounds every wait and tells nothing of
#: how fast anything is: tests/chaos and the benchmarks measure that.
PATIENCE_S: Final = 60.0


def wait_until(check: Callable[[], Any], *, what: str, every_s: float = 0.05) -> None:
    """Call `check` every `every_s` seconds until it is true; raises LocalServerError naming `what`."""
    process.wait_until(lambda: bool(check()), timeout_s=PATIENCE_S, what=what, every_s=every_s)


def stand_still(pid: int) -> None:
    """Send SIGSTOP and return once every thread has stopped: on a busy machine some go on for a while."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")

    def stopped() -> bool:
        try:
            found = {(each / "stat").read_text().rpartition(")")[2].split()[0] for each in tasks.iterdir()}
        except OSError:  # a thread has just ended
            return False
        return found == {"T"}

    wait_until(stopped, what=f"process {pid} stands still")
