"""`callboard stack`: starts all, restarts what is killed, stops all of it, and keeps to its own folder.

One stack serves the tests that only look; those that end it start their own.
"""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import psutil
import pytest

from callboard.local.ports import free_ports
from tests.patience import PATIENCE_S, wait_until
from tests.servers import ROOT, require_servers

STANDIN = Path(__file__).with_name("stack_standin.py")


@dataclass
class Running:
    """A stack under test: its process, folder, web port, and what it has printed so far."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    printed: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def read(self, stream: IO[str]) -> None:
        for line in stream:
            self.printed.append(line)
            if "Ctrl-C stops all" in line:
                self.ready.set()
        self.ready.set()

    def env(self) -> dict[str, str]:
        lines = (self.folder / ".run/env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def pids(self) -> dict[str, int]:
        """Name and pid of every program, as the supervisorctl named at start tells."""
        ctl = [sys.executable, "-m", "supervisor.supervisorctl", "-c", self.folder / ".run/supervisord.conf"]
        listed = subprocess.run([*ctl, "status"], capture_output=True, text=True, check=False).stdout
        rows = [line.split() for line in listed.splitlines()]
        return {row[0].split(":")[1]: int(row[3].rstrip(",")) for row in rows if row[1] == "RUNNING"}

    def all_processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def serves(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _environment(port: int) -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return {**os.environ, "CALLBOARD_PORT": str(port), "PYTHONPATH": paths}


@contextmanager
def _stack(folder: Path) -> Iterator[Running]:
    require_servers()
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, STANDIN, folder],
        env=_environment(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = Running(process, folder, port)
    assert process.stdout is not None
    reader = threading.Thread(target=running.read, args=[process.stdout], daemon=True)
    reader.start()
    try:
        assert running.ready.wait(PATIENCE_S)
        assert process.poll() is None, "".join(running.printed)
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        process.stdout.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _stack(tmp_path_factory.mktemp("stack")) as it:
        yield it


def test_it_says_what_it_starts_and_what_to_try(running: Running) -> None:
    said = "".join(running.printed)
    assert "starting RabbitMQ … ready in " in said
    assert "starting web, 2 workers, scheduler, dashboard … ready in " in said
    assert f"http://127.0.0.1:{running.port}/" in said
    assert f"Dashboard   http://127.0.0.1:{running.env()['CALLBOARD_DASHBOARD_PORT']}/" in said
    assert f"http://127.0.0.1:{running.port}/metrics" in said
    assert f"curl -s http://127.0.0.1:{running.port}/api/tasks" in said
    assert "password" not in said.replace("(with the passwords)", "")


def test_the_settings_in_effect_are_in_a_file_only_the_owner_reads(running: Running) -> None:
    env = running.env()
    assert env["CALLBOARD_PORT"] == str(running.port)
    assert env["CALLBOARD_BROKER_URL"].startswith("amqp://callboard:")
    assert env["CALLBOARD_REDIS_URL"].startswith("redis://:")
    assert stat.S_IMODE((running.folder / ".run/env").stat().st_mode) == 0o600


def test_every_program_gets_the_settings(running: Running) -> None:
    for name in ("web", "worker-1", "worker-2", "scheduler", "dashboard"):
        log = running.folder / f".run/logs/{name}.log"
        wait_until(lambda log=log: "CALLBOARD_BROKER_URL" in log.read_text(), what="it is told")


def test_it_listens_on_loopback_only(running: Running) -> None:
    found: dict[str, set[str]] = {}
    for process in running.all_processes():
        with suppress(psutil.NoSuchProcess):  # RabbitMQ's short-lived ones come and go
            listening = [
                each.laddr.ip
                for each in process.net_connections(kind="inet")
                if each.status == psutil.CONN_LISTEN
            ]
            found.setdefault(process.name(), set()).update(listening)
    addresses = set.union(*found.values())
    assert "127.0.0.1" in addresses, found
    assert addresses <= {"127.0.0.1", "::1"}, found


@pytest.mark.parametrize("name", ["web", "worker-2", "scheduler", "dashboard", "redis", "rabbitmq"])
def test_a_killed_program_comes_back(name: str, running: Running) -> None:
    for _ in range(2):  # twice, since the second time in a row is the harder one
        wait_until(lambda: name in running.pids(), what="it runs")
        before = running.pids()[name]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda before=before: running.pids().get(name, before) != before, what="is back")
    wait_until(running.serves, what="web serves")


def test_a_second_stack_of_the_same_folder_is_refused(running: Running) -> None:
    second = subprocess.run(
        [sys.executable, STANDIN, running.folder],
        env=_environment(*free_ports(1)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert (
        f"running already; Ctrl-C stops it where it was started, `kill {running.process.pid}`"
        in second.stderr
    )
    assert running.serves()
    assert running.env()


def test_a_stack_of_another_folder_does_not_meet_the_first(running: Running, tmp_path: Path) -> None:
    with _stack(tmp_path) as other:
        assert other.env()["CALLBOARD_BROKER_URL"] != running.env()["CALLBOARD_BROKER_URL"]
        assert other.serves()
        assert running.serves()
    assert other.process.returncode == 0  # after SIGTERM
    assert running.serves()


def test_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    with _stack(tmp_path) as stack:
        processes = stack.all_processes()
        assert len(processes) > 7
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(PATIENCE_S) == 0
        assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
        assert not (tmp_path / ".run/env").exists()


def test_when_it_is_killed_itself_nothing_stays_behind(tmp_path: Path) -> None:
    with _stack(tmp_path) as stack:
        processes = stack.all_processes()
        stack.process.kill()
        assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []


def test_when_the_supervisor_is_killed_it_stops_the_rest_and_says_so(tmp_path: Path) -> None:
    with _stack(tmp_path) as stack:
        processes = stack.all_processes()
        supervisord = int((tmp_path / ".run/supervisord.pid").read_text())
        os.kill(supervisord, signal.SIGKILL)
        assert stack.process.wait(PATIENCE_S) == 1
        assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
    assert "supervisord ended by itself" in "".join(stack.printed)
