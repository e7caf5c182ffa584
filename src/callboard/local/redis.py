"""A private Redis (or Valkey) server on loopback, with every write kept (AOF) and nothing evicted."""

import re
import subprocess
from pathlib import Path
from typing import Final

import redis

from callboard.local.ports import LOOPBACK, accepts, free_ports, is_free
from callboard.local.process import (
    LocalServerError,
    ServerProcess,
    find_program,
    kept_secret,
    private_folder,
    write_private,
)

_OLDEST: Final = 7

_CONF: Final = """\
bind {host}
protected-mode yes
port {port}
requirepass {password}
dir {folder}
daemonize no
logfile ""
# Written to the file at once, synced every second. The default, RDB, lost every write on a kill -9.
appendonly yes
appendfsync everysec
save ""
# A full Redis must refuse, never forget a task.
maxmemory-policy noeviction
# Records are hashes of some tens of short fields; up to these sizes Redis keeps them packed.
hash-max-listpack-entries 256
hash-max-listpack-value 512
"""


class RedisServer:
    """A Redis whose configuration, password, port and data live in `folder`.

    `port` None keeps the port of the last time while it is free, and else takes a free one.
    """

    def __init__(self, folder: Path, port: int | None = None, *, log: Path | None = None) -> None:
        self.folder = private_folder(folder)
        self.process = ServerProcess("Redis", log or self.folder / "redis.log")
        self._password = kept_secret(self.folder / "password")
        self.port = port or self._kept_port()

    @property
    def url(self) -> str:
        """The address with its password, as CALLBOARD_REDIS_URL wants it."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.process.pid

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Write the configuration; return arguments and environment that run the server in the foreground."""
        program = find_program("redis-server", "valkey-server")
        _check_version(program)
        data = private_folder(self.folder / "data")
        conf = self.folder / "redis.conf"
        write_private(
            conf,
            _CONF.format(host=LOOPBACK, port=self.port, password=self._password, folder=_quoted(data)),
        )
        write_private(self.folder / "port", f"{self.port}\n")
        return [str(program), str(conf)], {"LC_ALL": "C.UTF-8"}

    def start(self) -> None:
        """Start it as a child of this process; `wait_ready` tells when it serves."""
        self.process.start(*self.command())

    def wait_ready(self, timeout_s: float = 60.0) -> float:
        """Wait until it answers PING, data loaded; return the seconds that took. Raises LocalServerError."""
        return self.process.wait_until(self.answers, timeout_s=timeout_s, what="Redis answers PING")

    def answers(self) -> bool:
        """Tell whether it answers PING now; False also while it is loading its data."""
        if not accepts(self.port):  # the client would try again by itself, with pauses
            return False
        with redis.Redis.from_url(self.url, socket_timeout=5.0, socket_connect_timeout=5.0) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop it, its data written; kill it after `timeout_s` seconds."""
        self.process.stop(timeout_s)

    def kill(self) -> None:
        """Kill -9: what a crash leaves is what `start` finds."""
        self.process.kill()

    def _kept_port(self) -> int:
        kept = self.folder / "port"
        if kept.exists() and is_free(port := int(kept.read_text(encoding="utf-8"))):
            return port
        return free_ports(1)[0]


def _check_version(program: Path) -> None:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\bv=(\d+)\.", answer)
    if found and int(found[1]) < _OLDEST:
        raise LocalServerError(f"{program} is {answer.split(' sha=')[0]}; Callboard needs {_OLDEST} or later")


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
