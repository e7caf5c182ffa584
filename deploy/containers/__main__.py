"""The commands behind make's: `python3 -m deploy.containers up | down | ps | logs | scale | restart | …`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deploy.containers import backup, env, keys, scale, servers, up
from deploy.containers.compose import Compose, find
from deploy.containers.trouble import Trouble


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 1 after one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options, Path(options.root).resolve())
    except Trouble as trouble:
        trouble.tell()
        return 1
    except BrokenPipeError:  # as of `make up | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("callboard: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m deploy.containers", description="Callboard in containers."
    )
    parser.add_argument("--root", default=".", help="the checkout (default: the current folder)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    prepared = commands.add_parser("prepare", help="examine .env, write what RabbitMQ and Redis here read")
    prepared.add_argument("env_file", nargs="?", default=".env", help="in place of .env")
    commands.add_parser("up", help="build, start, wait until ready; writes .env the first time")
    commands.add_parser("down", help="stop and remove the containers; the data stays")
    commands.add_parser("ps", help="what runs")
    logs = commands.add_parser("logs", help="follow the logs")
    logs.add_argument("service", nargs="?", default="")
    scaled = commands.add_parser("scale", help="the number of containers of a worker service")
    scaled.add_argument("number")
    scaled.add_argument("service")
    restart = commands.add_parser("restart", help="restart Callboard's containers one by one")
    restart.add_argument("service", nargs="?", default="")
    key = commands.add_parser("key", help="a new API key, shown once")
    key.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("running", help="exit code 0 when containers of this installation run")
    saved = commands.add_parser("backup", help="Redis's data and RabbitMQ's definitions into a folder")
    saved.add_argument("folder", nargs="?", default="")
    restored = commands.add_parser("restore", help="put a backup in the place of what is there")
    restored.add_argument("folder")
    return parser


def _run(options: argparse.Namespace, root: Path) -> int:
    file = root / (options.env_file if options.command == "prepare" else ".env")
    environment = dict(os.environ)
    if options.command == "running" and not file.exists():
        return 1
    if options.command == "scale":
        number, service = scale.check(options.number, options.service)
    if options.command == "up" and not file.exists():
        find(root, env.Env({}), environment)  # no secrets for what cannot start
    new = up.first_use(file) if options.command == "up" else False
    found = env.load(file, environment)
    if options.command == "prepare":
        servers.write(found, up.folder_of(root))
        return 0
    compose = find(root, found, environment)
    if options.command == "up":
        up.up(compose, new=new)
    elif options.command == "down":
        compose.run("down", log=up.folder_of(root) / "down.log", everything=True)
    elif options.command == "scale":
        _must_run(compose)
        scale.write(file, compose.env, number, service)
        scale.scale(replace(compose, env=env.load(file, environment)), number, service)
    elif options.command == "restart":
        _must_run(compose)
        scale.restart(compose, options.service)
    elif options.command == "key":
        _must_run(compose)
        return keys.key(compose, options.arguments)
    elif options.command == "running":
        return 0 if compose.running() else 1
    elif options.command == "backup":
        _must_run(compose)
        backup.backup(compose, options.folder)
    elif options.command == "restore":
        backup.restore(compose, options.folder)
    elif options.command == "ps":
        return _shown(compose, "ps")
    else:
        _must_run(compose)
        return _shown(compose, "logs", "-f", "--tail", "100", *([options.service] if options.service else []))
    return 0


def _must_run(compose: Compose) -> None:
    if not compose.running():
        raise Trouble("nothing runs; start it with `make up`")


def _shown(compose: Compose, *arguments: str) -> int:
    """Run compose with its output for the operator to see."""
    argv = compose.argv(*arguments, everything=True)
    return subprocess.run(argv, cwd=compose.root, env=dict(compose.environment), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
