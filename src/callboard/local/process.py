"""One server process: started in a session of its own, known by its pid, never left behind.

Used by rabbitmq.py and redis.py; under `callboard stack` supervisord does this job instead.
"""

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from callboard.errors import CallboardError

# Debian keeps servers in sbin, which is not on an ordinary user's PATH.
_SBIN = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


class LocalServerError(CallboardError):
    """A server of this machine is missing, did not start, or did not do as it was told."""

    code = "local-server"


def find_program(*names: str) -> Path:
    """Return the path of the first of `names` that is installed; raises LocalServerError."""
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path=_SBIN):
            return Path(found)
    raise LocalServerError(f"{names[0]} is not installed; scripts/install-system.sh says how to get it")


def wait_until(check: Callable[[], bool], *, timeout_s: float, what: str, every_s: float = 0.05) -> float:
    """Call `check` every `every_s` seconds until it is true; return the seconds that took.

    Raises LocalServerError naming `what` after `timeout_s` seconds.
    """
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > timeout_s:
            raise LocalServerError(f"{what}: not so after {timeout_s:g} s")
        time.sleep(every_s)
    return time.monotonic() - began


def private_folder(path: Path) -> Path:
    """Create `path` (and its parents), open to this user only, and return it absolute."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


def write_private(path: Path, text: str) -> None:
    """Replace the file `path` in one step by one that holds `text` and that only this user may read."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def kept_secret(path: Path) -> str:
    """Return the secret in the file `path`, made (32 random bytes) the first time."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def dying_with_parent(argv: Sequence[str], sign: str) -> list[str]:
    """Return `argv` so that the program gets signal `sign` when its parent ends, however that ends.

    Linux only, by util-linux's setpriv, and from the main thread, since for the kernel the thread that starts
    it is the parent; elsewhere `argv` as it is.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or threading.current_thread() is not threading.main_thread():
        return list(argv)
    return [setpriv, "--pdeathsig", sign, "--", *argv]


class ServerProcess:
    """A child process and its log file; may be started again after it ended."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises LocalServerError when it was not started."""
        if self._child is None:
            raise LocalServerError(f"{self.name} is not running")
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start `argv` with exactly `env`, its output appended to the log; nothing if it runs already."""
        if self.alive:
            return
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                dying_with_parent(argv, "KILL"),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the Ctrl-C of a terminal is for us, and we stop it in our order
            )

    def wait_until(self, check: Callable[[], bool], *, timeout_s: float, what: str) -> float:
        """As the function; also raises, with the end of the log, as soon as the process has ended."""

        def alive_and_checked() -> bool:
            if not self.alive:
                raise LocalServerError(f"{self.name} ended while starting; its log ends:\n{self.tail()}")
            return check()

        try:
            return wait_until(alive_and_checked, timeout_s=timeout_s, what=what)
        except LocalServerError as error:
            if not self.alive:
                raise
            raise LocalServerError(f"{error}; the log of {self.name} ends:\n{self.tail()}") from None

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ask it to end (SIGTERM), wait, and kill it after `timeout_s` seconds."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """End it and its children at once (SIGKILL), as a crash would; `start` works again afterwards."""
        if self._child is None:
            return
        if self._child.poll() is None:  # not yet reaped, so the number is still its own
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._child = None

    def tail(self, lines: int = 20) -> str:
        """Return the last `lines` lines of the log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
