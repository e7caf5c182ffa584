"""The commands: `callboard run | stack | web | worker | scheduler | dashboard | health | doctor | keys`."""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from callboard import __version__, logs
from callboard.access import command as keys_command
from callboard.errors import CallboardError
from callboard.settings import MEMORY, Settings, environment, from_env

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exits with 2 for bad settings or arguments, after one clear line."""
    if os.getpid() == 1:  # in a container, where a signal that nobody handles is ignored
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.command(options))
    except CallboardError as error:
        print(f"callboard: {error}", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callboard",
        description="A lightweight, self-hosted task service.",
        epilog="Settings are environment variables CALLBOARD_…; see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"callboard {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, text: str, command: Any) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        found.set_defaults(command=command)
        return found

    add("run", "everything in one process, no servers; nothing survives it", _run)
    add("stack", "RabbitMQ, Redis, web, workers, scheduler, dashboard on this machine, supervised", _stack)
    add("web", "the HTTP API and the web UI", _web)
    worker = add("worker", "one worker process", _worker)
    worker.add_argument("--queues", metavar="a,b", help="serve only these queues (default: all)")
    worker.add_argument("--threads", type=int, metavar="N", help="tasks at the same time (CALLBOARD_THREADS)")
    add("scheduler", "the every-minute work; several may run", _scheduler)
    add("dashboard", "dramatiq-dashboard over the records (CALLBOARD_DASHBOARD_PORT)", _dashboard)
    health = add("health", "does the process of this container or host do its work? exit code 1: no", _health)
    health.add_argument(
        "role",
        nargs="?",
        choices=("web", "worker", "scheduler", "dashboard"),
        help="default: what this container was started as",
    )
    doctor = add(
        "doctor", "examine a running installation and say what to do; exit code 1 if it must be", _doctor
    )
    doctor.add_argument("--json", action="store_true", help="for machines")
    doctor.add_argument("--env", metavar="FILE", help="settings as KEY=value lines, e.g. .run/env of a stack")
    doctor.add_argument("--rabbitmq-conf", metavar="FILE", type=Path, help="RabbitMQ's, where it can be read")
    keys_command.add_parser(commands, _keys)
    return parser


def _run(_options: argparse.Namespace) -> int:
    settings = replace(from_env({**environment(), **_memory()}), web_processes=1)
    address = f"http://{settings.host}:{settings.port}"
    text = (
        f"Callboard listens on {address} (embedded: one process, nothing survives it).\n"
        f"Try:  curl -s {address}/api/tasks -H 'Content-Type: application/json' -H 'Prefer: wait=5' \\\n"
        """        -d '{"task_type": "reverse_text", "parameters": {"text": "stressed"}}'\n"""
        "Stop with Ctrl-C."
    )
    # Not before it is true: who reads it, man or script, sends the first request at once.
    return _serve(settings, partial(print, text, flush=True))


def _memory() -> dict[str, str]:
    return {"CALLBOARD_BROKER_URL": MEMORY, "CALLBOARD_REDIS_URL": MEMORY}


def _web(_options: argparse.Namespace) -> int:
    return _serve(_with_servers(from_env(), "web"))


def _serve(settings: Settings, listening: Callable[[], None] | None = None) -> int:
    importlib.import_module("callboard.access.wiring").check_entrance(settings)
    # By name: the library knows nothing of the HTTP side (house.md).
    importlib.import_module("web.serve").run(settings, listening)
    return 0


def _with_servers(settings: Settings, command: str) -> Settings:
    if settings.embedded:
        raise CallboardError(
            f"`callboard {command}` needs CALLBOARD_BROKER_URL (amqp://…) and CALLBOARD_REDIS_URL "
            "(redis://…); `callboard run` works without servers, `make stack` starts them"
            + (", and its settings are taken by --env .run/env" if command in ("keys", "doctor") else "")
        )
    return settings


def _worker(options: argparse.Namespace) -> int:
    settings = _with_servers(from_env(), "worker")
    if options.threads is not None:
        if not 1 <= options.threads <= 256:
            raise CallboardError(f"--threads {options.threads}: takes 1 to 256; e.g. 8")
        settings = replace(settings, threads=options.threads)
    logs.setup(settings.log_level, settings.log_format)
    bootstrap = importlib.import_module("callboard.bootstrap")
    queues = [name.strip() for name in options.queues.split(",") if name.strip()] if options.queues else None
    process = bootstrap.worker(settings, queues)
    stop = _stop_on_signals()
    process.start()
    logger.info("worker ready: %d threads", settings.threads)
    healthy: bool = process.wait(stop)
    process.stop()
    _leave(0 if healthy else 70)
    return 0


def _scheduler(_options: argparse.Namespace) -> int:
    settings = _with_servers(from_env(), "scheduler")
    logs.setup(settings.log_level, settings.log_format)
    process = importlib.import_module("callboard.bootstrap").scheduler(settings)
    stop = _stop_on_signals()
    process.start()
    logger.info("scheduler ready")
    stop.wait()
    process.stop()
    _leave(0)
    return 0


def _dashboard(_options: argparse.Namespace) -> int:
    settings = _with_servers(from_env(), "dashboard")
    try:
        serve = importlib.import_module("callboard.dashboard.serve")
    except ModuleNotFoundError as error:
        if error.name != "dramatiq_dashboard":
            raise
        raise CallboardError(
            "`callboard dashboard` needs dramatiq-dashboard: "
            "pip install --no-deps --require-hashes -r requirements/dashboard.txt"
        ) from None
    serve.run(settings)
    return 0


def _health(options: argparse.Namespace) -> int:
    env = environment()
    # Only servers of this host are asked: whether they may listen elsewhere, and for whom, is not at issue.
    settings = _with_servers(
        from_env({name: value for name, value in env.items() if name != "CALLBOARD_HOST"}), "health"
    )
    logs.setup("CRITICAL", settings.log_format)
    selfcheck = importlib.import_module("callboard.selfcheck")
    try:
        print(selfcheck.check(options.role or selfcheck.role_of_container(), settings))
    except selfcheck.Unhealthy as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _doctor(options: argparse.Namespace) -> int:
    env = {**environment(), **(_env_file(options.env) if options.env else {})}
    settings = _with_servers(from_env(env), "doctor")
    logs.setup("CRITICAL", settings.log_format)  # the report says it all
    findings = importlib.import_module("callboard.doctor.examine").examine(settings, options.rabbitmq_conf)
    finding = importlib.import_module("callboard.doctor.finding")
    print(finding.as_json(findings) if options.json else finding.as_text(findings))
    return 1 if any(each.verdict is finding.Verdict.FAIL for each in findings) else 0


def _env_file(name: str) -> dict[str, str]:
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CallboardError(f"--env {name}: cannot be read: {error}") from None
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _keys(options: argparse.Namespace) -> int:
    env = {**environment(), **(_env_file(options.env) if options.env else {})}
    settings = _with_servers(from_env(env), "keys")
    print(importlib.import_module("callboard.access.wiring").keys_command(settings, options))
    return 0


def _stack(_options: argparse.Namespace) -> int:
    run: Any = importlib.import_module("callboard.local.stack").run
    code: int = run(environment())
    return code


def _stop_on_signals() -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        if stop.is_set():
            logger.warning("second signal: ending at once; what runs is started again by others")
            _leave(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def _leave(code: int) -> None:
    """End without waiting for threads that sit in a task: their messages go back to RabbitMQ."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
