"""`callboard stack`: the real thing on this machine without containers, under one supervisor, until Ctrl-C.

All of it lives in `.run` of the checkout: data, logs, and, while it runs, the settings in effect (`env`).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from callboard.access.wiring import check_entrance
from callboard.errors import SettingsError
from callboard.local.foreground import StopSignals, only_one
from callboard.local.ports import accepts, free_ports, is_free
from callboard.local.process import LocalServerError, find_program, private_folder, write_private
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.local.supervisor import Program, Supervisor
from callboard.settings import PREFIX, Settings, from_env

# Groups of programs; the servers stop after those that need them.
_SERVERS: Final = "servers"
_APP: Final = "callboard"

_SERVER_READY_S: Final = 120.0
_WEB_READY_S: Final = 60.0

ListPrograms = Callable[[Settings, int], Sequence[Program]]

_say = partial(print, flush=True)


def app_programs(settings: Settings, workers: int) -> list[Program]:
    """Return Callboard's own programs. One more long-running program is one more entry here.

    `web` has to be among them: its `/readyz` says when the stack is ready.
    """
    callboard = [sys.executable, "-m", "callboard"]
    drain_s = settings.drain_timeout + 10.0  # their own limit comes first
    return [
        Program("web", _APP, [*callboard, "web"]),
        Program("worker", _APP, [*callboard, "worker"], count=workers, stop_wait_s=drain_s),
        Program("scheduler", _APP, [*callboard, "scheduler"]),
        Program("dashboard", _APP, [*callboard, "dashboard"]),
    ]


def run(env: Mapping[str, str], *, root: Path | None = None, programs: ListPrograms = app_programs) -> int:
    """Run the stack of the checkout `root` (None: the current folder) until SIGINT or SIGTERM.

    `env` is the environment, of which the CALLBOARD_* settings apply. Returns the exit code after an orderly
    stop, 0. Raises SettingsError, or LocalServerError when something does not start or the supervisor ends.
    """
    with StopSignals() as signals:
        try:
            _run(dict(env), (root or Path.cwd()).resolve(), programs, signals)
        except KeyboardInterrupt:
            _say("stopped")
    return 0


def _run(env: dict[str, str], root: Path, programs: ListPrograms, signals: StopSignals) -> None:
    folder = private_folder(root / ".run")
    with only_one(folder / "lock") as lock:
        settings_file = folder / "env"
        settings_file.unlink(missing_ok=True)  # of a stack that was killed
        workers = _number(env, "WORKERS", high=64) or 2
        rabbitmq_port = _free(env, "RABBITMQ_PORT")
        redis_port = _free(env, "REDIS_PORT")
        for name in ("BROKER_URL", "BROKER_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"):
            if env.pop(PREFIX + name, None):
                _say(f"{PREFIX}{name} is ignored: the stack has its own RabbitMQ and Redis")
        settings = from_env(env)  # a bad setting ends it here
        dashboard_port = _free(env, "DASHBOARD_PORT") or _next_free(settings)
        if dashboard_port == settings.port:
            raise SettingsError(
                f"{PREFIX}PORT and {PREFIX}DASHBOARD_PORT are both {dashboard_port}; change one"
            )
        env |= {
            f"{PREFIX}HOST": settings.host,
            f"{PREFIX}PORT": str(settings.port),
            f"{PREFIX}DASHBOARD_PORT": str(dashboard_port),
        }
        _free(env, "PORT")
        _install_servers(root)
        rabbitmq = RabbitNode(folder / "rabbitmq", rabbitmq_port)
        redis = RedisServer(folder / "redis", redis_port)
        env |= {
            f"{PREFIX}BROKER_URL": rabbitmq.url,
            f"{PREFIX}REDIS_URL": redis.url,
            f"{PREFIX}RABBITMQ_PORT": str(rabbitmq.port),
            f"{PREFIX}REDIS_PORT": str(redis.port),
            f"{PREFIX}WORKERS": str(workers),
            f"{PREFIX}WORKER_METRICS_PORT": env.get(f"{PREFIX}WORKER_METRICS_PORT") or str(free_ports(1)[0]),
        }
        settings = from_env(env)
        apps = programs(settings, workers)
        supervisor = Supervisor(folder, [*_servers(rabbitmq, redis), *apps], cwd=root)
        try:
            supervisor.start(env | {"PYTHONUNBUFFERED": "1"}, keep_open=lock)
            _start_all(supervisor, rabbitmq, redis, apps, settings)
            write_private(settings_file, _env_lines(env))
            _say(_where(settings, rabbitmq, redis, supervisor, root))
            while supervisor.watch():
                time.sleep(1.0)
            raise LocalServerError(f"supervisord ended by itself; see {supervisor.logs}")
        except KeyboardInterrupt:
            _say(f"\nstopping; running tasks get up to {settings.drain_timeout:g} s (Ctrl-C again: none)")
            raise
        finally:
            signals.armed = False
            settings_file.unlink(missing_ok=True)
            supervisor.stop(signals.hurry)


def _servers(rabbitmq: RabbitNode, redis: RedisServer) -> list[Program]:
    return [
        Program("epmd", _SERVERS, *rabbitmq.epmd_command()),
        Program("redis", _SERVERS, *redis.command()),
        Program("rabbitmq", _SERVERS, *rabbitmq.command(), stop_wait_s=60.0),
    ]


def _start_all(
    supervisor: Supervisor,
    rabbitmq: RabbitNode,
    redis: RedisServer,
    apps: Sequence[Program],
    settings: Settings,
) -> None:
    def wait(title: str, name: str, check: Callable[[], bool], timeout_s: float) -> None:
        _say(f"starting {title} … ", end="")
        supervisor.wait_ready(name, check, timeout_s=timeout_s)
        _say(f"ready in {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    supervisor.run("epmd")
    supervisor.run("redis")
    supervisor.wait_ready("epmd", lambda: accepts(rabbitmq.epmd_port), timeout_s=10.0)
    supervisor.run("rabbitmq")
    wait("Redis", "redis", redis.answers, _SERVER_READY_S)
    wait("RabbitMQ", "rabbitmq", rabbitmq.answers, _SERVER_READY_S)
    check_entrance(settings)
    began = time.monotonic()
    for app in apps:
        supervisor.run(app.name)
    names = ", ".join(app.name if app.count == 1 else f"{app.count} {app.name}s" for app in apps)
    wait(names, "web", lambda: _serves(settings.host, settings.port, "/readyz"), _WEB_READY_S)
    if any(app.name == "dashboard" for app in apps):
        check = partial(_serves, settings.host, settings.dashboard_port, "/healthz")
        supervisor.wait_ready("dashboard", check, timeout_s=_WEB_READY_S)


def _serves(host: str, port: int, path: str) -> bool:
    connection = HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _where(
    settings: Settings, rabbitmq: RabbitNode, redis: RedisServer, supervisor: Supervisor, root: Path
) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{settings.port}"
    logs, conf, ctl = (
        os.path.relpath(path, root)
        for path in (supervisor.logs, supervisor.conf, Path(sys.executable).with_name("supervisorctl"))
    )
    first, key = "", ""
    if settings.auth_required:
        first, key = "  make key NAME=me ROLE=admin\n", " -H 'Authorization: Bearer cb_…'"
    return f"""
Callboard is running.
  API and UI  {base}/
  Dashboard   http://{host}:{settings.dashboard_port}/
  RabbitMQ    127.0.0.1:{rabbitmq.port}
  Redis       127.0.0.1:{redis.port}
  Metrics     {base}/metrics; workers from port {settings.worker_metrics_port} on
  settings    .run/env (with the passwords)
  logs        {logs}/
  processes   {ctl} -c {conf} status

Try it:
{first}  curl -s {base}/api/tasks -H 'Content-Type: application/json'{key} \\
    -d '{{"task_type": "reverse_text", "parameters": {{"text": "stressed"}}}}'

Ctrl-C stops all of it; the data stays in .run/."""


def _env_lines(env: Mapping[str, str]) -> str:
    """Return the settings of `env` as KEY=value lines."""
    settings = {key: value for key, value in sorted(env.items()) if key.startswith(PREFIX) and value}
    for key, value in settings.items():
        if "\n" in value:
            raise SettingsError(f"{key} has a line break in it; use {key}_FILE for such a value")
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _number(env: Mapping[str, str], name: str, *, high: int) -> int | None:
    text = env.get(PREFIX + name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= high):
        raise SettingsError(f"{PREFIX}{name}: {text!r} is no whole number from 1 to {high}")
    return int(text)


def _free(env: Mapping[str, str], name: str) -> int | None:
    port = _number(env, name, high=65_535)
    if port is not None and not is_free(port):
        other = f"{PREFIX}{name}={port + 1 if port < 65_535 else port - 1}"
        raise SettingsError(f"port {port} is taken; choose another one, e.g. {other}")
    return port


def _next_free(settings: Settings) -> int:
    """Return the dashboard's usual port, or the next one that nobody has; where it is, the stack says."""
    usual = range(settings.dashboard_port, 65_536)
    return next(port for port in usual if port != settings.port and is_free(port))


def _install_servers(root: Path) -> None:
    script = root / "scripts/install-system.sh"
    if script.exists():
        bash = shutil.which("bash") or "bash"
        if subprocess.run([bash, str(script), "servers"], check=False).returncode != 0:
            raise LocalServerError("the stack needs RabbitMQ and Redis; see above")
    find_program("rabbitmq-server")
    find_program("redis-server", "valkey-server")
