"""supervisord (supervisord.org) as a child: told which programs to keep running, started in order, stopped.

stack.py decides what the programs are.
"""

import getpass
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from callboard.local.process import (
    LocalServerError,
    dying_with_parent,
    private_folder,
    wait_until,
    write_private,
)

# The kernel's limit is 108 bytes, and supervisord first binds a name with its pid appended.
_SOCKET_PATH_LIMIT: Final = 95
_OPEN_FILES: Final = 65_536  # every watcher is a socket of the web process


@dataclass(frozen=True, slots=True)
class Program:
    """One program to keep running.

    `env` is its whole environment (None: the one given to `Supervisor.start`), `count` how many of it run,
    `stop_wait_s` the seconds between SIGTERM and SIGKILL.
    """

    name: str
    group: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    count: int = 1
    stop_wait_s: float = 20.0


class Supervisor:
    """A supervisord whose configuration, socket and logs live in `folder`, and what it runs.

    A program starts when `run` says so. When all stops, the group named last in `programs` is the first, and
    those of one group stop together.
    """

    def __init__(self, folder: Path, programs: Sequence[Program], *, cwd: Path) -> None:
        self.folder = private_folder(folder)
        self.conf = self.folder / "supervisord.conf"
        self.logs = private_folder(self.folder / "logs")
        self._programs = {program.name: program for program in programs}
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._below: set[psutil.Process] = set()
        self._socket = self.folder / "supervisor.sock"
        self._socket_folder: Path | None = None
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_LIMIT:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="callboard-"))
            self._socket = self._socket_folder / "supervisor.sock"

    @property
    def alive(self) -> bool:
        """Whether supervisord was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self, env: Mapping[str, str], *, keep_open: int) -> None:
        """Start supervisord, and no program yet; it inherits the file descriptor `keep_open`."""
        write_private(self.conf, self.configuration())
        argv = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.conf)]
        with (self.logs / "supervisord.out").open("wb") as output:
            self._child = subprocess.Popen(
                dying_with_parent(argv, "TERM"),
                env=dict(env),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(keep_open,),
                start_new_session=True,
            )
        wait_until(lambda: not self.alive or self._answers(), timeout_s=30.0, what="supervisord answers")
        if not self.alive:
            raise LocalServerError(f"supervisord ended: {self.tail('supervisord.out')}")

    def run(self, name: str) -> None:
        """Start the program `name`, all of its processes; nothing is waited for."""
        for process in self._processes(name):
            self._call("startProcess", process, False)

    def wait_ready(self, name: str, check: Callable[[], bool], *, timeout_s: float) -> float:
        """Wait until `check` is true; return the seconds that took.

        Raises LocalServerError with the end of the log after `timeout_s` seconds, or as soon as `name` has
        ended a few times.
        """
        pids = {0}
        process = self._processes(name)[0]

        def ready() -> bool:
            self.watch()
            if check():
                return True
            pids.add(self._call("getProcessInfo", process)["pid"])
            if len(pids) > 4:
                raise LocalServerError(f"{name} ends again and again")
            return False

        try:
            return wait_until(ready, timeout_s=timeout_s, what=f"{name} is ready", every_s=0.1)
        except LocalServerError as error:
            log = process.split(":")[-1] + ".log"
            raise LocalServerError(f"{error}; {self.logs / log} ends:\n{self.tail(log)}") from None

    def watch(self) -> bool:
        """Note which processes there are, for `stop`; tell whether supervisord still lives."""
        if self._child is not None and self.alive:
            # Added to what is known: when supervisord is being killed this very moment there are none to see.
            known = {process for process in self._below if process.is_running()}
            with suppress(psutil.NoSuchProcess):
                self._below = known | set(psutil.Process(self._child.pid).children(recursive=True))
        return self.alive

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Stop all programs, group by group, and supervisord; at once (SIGKILL) when `hurry` says so."""
        self.watch()
        if self._child is not None:
            self._child.terminate()
            while self._child.poll() is None and not hurry():
                time.sleep(0.1)
            self.watch()
            self._child.kill()
            self._child.wait()
        # None are left after an orderly stop. `is_running` compares start times: no stranger is hit.
        left = [process for process in self._below if process.is_running()]
        for process in left:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(left, timeout=5.0)
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    def tail(self, log: str, lines: int = 20) -> str:
        """Return the last `lines` lines of the file `log` of the log folder."""
        path = self.logs / log
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def configuration(self) -> str:
        """Return the text of supervisord.conf. Format: supervisord.org/configuration.html."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
        # Said so that supervisord, as root, does not ask whether root is meant.
        user = {"user": getpass.getuser()} if os.geteuid() == 0 else {}
        sections = [
            _section(
                "supervisord",
                silent="true",
                logfile=self.logs / "supervisord.log",
                logfile_maxbytes="10MB",
                logfile_backups=2,
                pidfile=self.folder / "supervisord.pid",
                childlogdir=self.logs,
                directory=self._cwd,
                minfds=files,
                **user,
            ),
            _section("unix_http_server", file=self._socket, chmod="0700"),
            _section("supervisorctl", serverurl=f"unix://{self._socket}"),
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        groups: dict[str, list[str]] = {}
        for program in self._programs.values():
            sections.append(self._program(program))
            groups.setdefault(program.group, []).append(program.name)
        for priority, (group, names) in enumerate(groups.items()):
            sections.append(_section(f"group:{group}", programs=",".join(names), priority=priority))
        return "\n".join(sections)

    def _program(self, program: Program) -> str:
        argv = list(program.argv)
        if program.env is not None:
            argv = [shutil.which("env") or "env", "-i", *(f"{k}={v}" for k, v in program.env.items()), *argv]
        name = f"{program.name}-%(process_num)d" if program.count > 1 else program.name
        return _section(
            f"program:{program.name}",
            command=shlex.join(argv),
            process_name=_Raw(name),
            numprocs=program.count,
            numprocs_start=1,
            autostart="false",
            # Back as soon as it is gone, however often: with startsecs above 0 supervisord waits longer after
            # each quick end and gives up after a few.
            autorestart="true",
            startsecs=0,
            # SIGTERM to the program alone, which knows what to tell its children: a draining worker's
            # subprocess must not be ended under it. When its time is up it is killed, children too.
            stopsignal="TERM",
            stopasgroup="false",
            killasgroup="true",
            stopwaitsecs=round(program.stop_wait_s),
            redirect_stderr="true",
            stdout_logfile=_Raw(f"{_escaped(self.logs)}/{name}.log"),
            stdout_logfile_maxbytes="10MB",
            stdout_logfile_backups=2,
        )

    def _processes(self, name: str) -> list[str]:
        program = self._programs[name]
        numbers = [f"-{n}" for n in range(1, program.count + 1)] if program.count > 1 else [""]
        return [f"{program.group}:{name}{number}" for number in numbers]

    def _answers(self) -> bool:
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except LocalServerError:
            return False

    def _call(self, method: str, *args: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with ServerProxy("http://localhost", transport=transport) as proxy:
            try:
                return getattr(proxy.supervisor, method)(*args)
            except (Fault, OSError) as error:
                raise LocalServerError(f"supervisord: {method} {args}: {error}") from error


class _Raw(str):
    """A value with supervisord's own %(…)s in it."""


def _section(title: str, /, **values: object) -> str:
    lines = [
        f"{key} = {value if isinstance(value, _Raw) else _escaped(value)}" for key, value in values.items()
    ]
    return "\n".join([f"[{title}]", *lines, ""])


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
