"""`callboard health`, by which a container engine knows whether a process does its work."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from callboard import selfcheck
from callboard.errors import CallboardError
from callboard.local.ports import free_ports
from callboard.local.redis import RedisServer
from callboard.settings import worker_id
from callboard.store import calls, schedulers
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore

ROOT = Path(__file__).parents[3]


@pytest.fixture
def env(redis_server: RedisServer, namespace: str) -> dict[str, str]:
    (unused,) = free_ports(1)
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "CALLBOARD_BROKER_URL": "amqp://nobody:asked@127.0.0.1:1/none",
        "CALLBOARD_REDIS_URL": redis_server.url,
        "CALLBOARD_NAMESPACE": namespace,
        "CALLBOARD_HOST": "0.0.0.0",  # noqa: S104 - as in a container
        "CALLBOARD_AUTH": "required",
        "CALLBOARD_PORT": str(unused),
        "CALLBOARD_DASHBOARD_PORT": str(unused),
    }


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[SyncStore]:
    made = SyncStore(sync_client(redis_server.url))
    yield made
    made.close()


def health(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "callboard", "health", *arguments]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", selfcheck.ROLES)
def test_a_process_that_is_not_there_is_not_healthy(env: dict[str, str], role: str) -> None:
    done = health(env, role)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_worker_and_a_scheduler_of_this_host_are_known_by_their_heartbeats(
    env: dict[str, str], store: SyncStore, namespace: str
) -> None:
    keys, host = keys_for(namespace), worker_id().partition(":")[0]
    store.run(calls.beat(keys, "elsewhere:1", {"host": "elsewhere"}, []))
    store.run(schedulers.beat(keys, "elsewhere:1"))
    assert health(env, "worker").returncode == 1
    assert health(env, "scheduler").returncode == 1
    store.run(calls.beat(keys, f"{host}:1", {"host": host}, []))
    store.run(schedulers.beat(keys, f"{host}:1"))
    assert health(env, "worker").stdout == f"1 workers of {host} live\n"
    assert health(env, "scheduler").returncode == 0


def test_a_redis_that_is_away_is_the_reason_given(env: dict[str, str]) -> None:
    done = health(env | {"CALLBOARD_REDIS_URL": f"redis://127.0.0.1:{env['CALLBOARD_PORT']}/0"}, "worker")
    assert done.returncode == 1
    assert "Redis cannot serve now" in done.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1)])
def test_web_is_asked_over_http(env: dict[str, str], status: int, code: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = health(env | {"CALLBOARD_PORT": str(server.server_port)}, "web")
        server.shutdown()
    assert done.returncode == code
    assert f"answers {status}" in done.stdout + done.stderr


@pytest.mark.parametrize("role", selfcheck.ROLES)
def test_a_container_is_asked_for_what_it_was_started_as(tmp_path: Path, role: str) -> None:
    line = tmp_path / "cmdline"
    line.write_bytes(f"/opt/python\0/app/bin/callboard\0{role}\0--queues\0email\0".encode())
    assert selfcheck.role_of_container(line) == role


def test_outside_a_container_the_role_has_to_be_given(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"/sbin/init\0")
    with pytest.raises(CallboardError, match="callboard health web"):
        selfcheck.role_of_container(tmp_path / "cmdline")
