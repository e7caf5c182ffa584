"""The commands as a user meets them, where something is wrong: one clear line, exit code 1, nothing started.

The compose program here is a recorder: it says its version, and writes down whatever else it is asked to do.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from callboard.local.ports import free_ports
from deploy.containers import dotenv

ROOT = Path(__file__).parents[3]

RECORDER = """#!/bin/sh
case "$*" in *version) echo "Docker Compose version v2.39.1"; exit 0 ;; esac
echo "$0 $*" >>"$RECORD"
"""


@dataclass
class Checkout:
    """A folder as `make up` finds it, and a PATH of its own."""

    folder: Path

    @property
    def record(self) -> str:
        file = self.folder / "record"
        return file.read_text() if file.exists() else ""

    def install(self, *programs: str) -> None:
        for name in programs:
            path = self.folder / "bin" / name
            path.write_text(RECORDER)
            path.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        env = {
            "PATH": str(self.folder / "bin"),
            "PYTHONPATH": str(ROOT),
            "RECORD": str(self.folder / "record"),
            **variables,
        }
        argv = [sys.executable, "-m", "deploy.containers", "--root", str(self.folder), *arguments]
        return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)

    def fails(self, *arguments: str, **variables: str) -> str:
        """Run a command that must fail as promised; return its one line."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("callboard: ")
        assert " up " not in self.record
        assert "build" not in self.record
        return done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "bin").mkdir()
    for name in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / name, tmp_path)
    made = Checkout(tmp_path)
    (tmp_path / "bin/sh").symlink_to("/bin/sh")
    made.install("docker", "docker-compose")
    return made


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_another_program_has_is_named_with_the_variable_that_moves_it(
    checkout: Checkout, taken_port: int
) -> None:
    dashboard, pages = map(str, free_ports(2))
    others = {"CALLBOARD_DASHBOARD_PORT": dashboard, "CALLBOARD_RABBITMQ_UI_PORT": pages}
    said = checkout.fails("up", CALLBOARD_PORT=str(taken_port), **others)
    assert f"port {taken_port} of 127.0.0.1 is taken; choose another one for web in .env" in said
    assert "CALLBOARD_PORT=" in said


def test_no_compose_program_is_said_with_the_way_out(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / "bin")
    assert "no compose program is there" in (said := checkout.fails("up"))
    assert "make stack" in said


def test_a_compose_program_that_was_asked_for_and_is_not_there_is_said(checkout: Checkout) -> None:
    said = checkout.fails("up", COMPOSE="podman-compose")
    assert "COMPOSE=podman-compose does not run; choose one of: docker compose, docker-compose" in said


def test_the_compose_program_that_is_no_longer_maintained_is_not_taken(checkout: Checkout) -> None:
    (checkout.folder / "bin/docker").unlink()
    old = checkout.folder / "bin/docker-compose"
    old.write_text("#!/bin/sh\necho 'docker-compose version 1.29.2, build unknown'\n")
    assert "no compose program is there" in checkout.fails("up")


def test_a_weak_secret_stops_it_before_anything_starts(checkout: Checkout) -> None:
    file = checkout.folder / ".env"
    dotenv.first_use(file)
    dotenv.change(file, "REDIS_ADMIN_PASSWORD", "secret")
    assert "REDIS_ADMIN_PASSWORD is shorter than 20 characters" in checkout.fails("up")


def test_scaling_takes_a_number_and_a_worker_service(checkout: Checkout) -> None:
    dotenv.first_use(file := checkout.folder / ".env")
    before = file.read_bytes()
    assert "N=x is no whole number from 1 to 64" in checkout.fails("scale", "x", "worker")
    assert "SERVICE=web is no worker service" in checkout.fails("scale", "2", "web")
    assert "nothing runs; start it with `make up`" in checkout.fails("scale", "2", "worker")
    assert file.read_bytes() == before


def test_commands_for_what_runs_say_that_nothing_does(checkout: Checkout) -> None:
    dotenv.first_use(checkout.folder / ".env")
    for command in ("restart", "backup", "key", "logs"):
        assert "nothing runs" in checkout.fails(command)


def test_without_env_only_up_makes_one(checkout: Checkout) -> None:
    for command in (["down"], ["ps"], ["restart"], ["scale", "2", "worker"]):
        assert ".env is missing; `make up` writes it" in checkout.fails(*command)
    assert not (checkout.folder / ".env").exists()


def test_restoring_from_what_is_no_backup_touches_nothing(checkout: Checkout, tmp_path: Path) -> None:
    dotenv.first_use(checkout.folder / ".env")
    assert "there is no such folder" in checkout.fails("restore", "backups/none")
    (tmp_path / "empty").mkdir()
    assert "has neither redis.tar nor rabbitmq.json" in checkout.fails("restore", "empty")
    assert checkout.record == ""


def test_the_first_up_leaves_an_env_that_the_second_one_uses(checkout: Checkout, taken_port: int) -> None:
    checkout.fails("up", CALLBOARD_PORT=str(taken_port))
    before = (checkout.folder / ".env").read_bytes()
    assert (checkout.folder / ".env").stat().st_mode & 0o777 == 0o600
    checkout.fails("up", CALLBOARD_PORT=str(taken_port))
    assert (checkout.folder / ".env").read_bytes() == before


def test_a_host_can_be_prepared_for_compose_itself_from_an_env_elsewhere(checkout: Checkout) -> None:
    elsewhere = checkout.folder / "run"
    elsewhere.mkdir()
    dotenv.first_use(elsewhere / "env")
    done = checkout.run("prepare", "run/env")
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.name for path in (checkout.folder / ".run/containers").iterdir()}
    assert written == {"definitions.json", "memory.conf", "users.acl"}
    dotenv.change(elsewhere / "env", "RABBITMQ_ADMIN_PASSWORD", "")
    assert "RABBITMQ_ADMIN_PASSWORD is missing" in checkout.fails("prepare", "run/env")
