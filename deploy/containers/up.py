"""`up`: from a clone to everything ready; asked again it brings what runs in line with .env and checkout."""

import contextlib
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Final

from deploy.containers import dotenv, ready, rolling, servers
from deploy.containers.compose import Compose
from deploy.containers.env import Env
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble

IMAGE: Final = "localhost/callboard:latest"

say = partial(print, flush=True)


def folder_of(root: Path) -> Path:
    """Return the private folder with what containers read, and logs; made if it is missing."""
    (root / ".run").mkdir(mode=0o700, exist_ok=True)
    folder = root / ".run/containers"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def up(compose: Compose, *, new: bool) -> None:
    """Build, start and wait; `new`: .env has just been written.

    Raises Trouble. What this call started is stopped again when it does, unless something ran before.
    """
    folder = folder_of(compose.root)
    log = folder / "up.log"
    log.unlink(missing_ok=True)
    before = {each.service for each in compose.running()}
    ready.check_ports(compose.env, before)
    changed = servers.write(compose.env, folder)
    if ours(compose.env) and not compose.env.get("CALLBOARD_IMAGE"):
        build(compose, log)
        ready.check_ports(compose.env, before)  # a first build takes minutes
    began = time.monotonic()
    names = compose.env.wanted
    say("starting " + ", ".join(_title(compose.env, name) for name in names))
    try:
        if stale := [name for name in changed if name in before]:
            compose.run("up", "-d", "--no-deps", "--force-recreate", *stale, log=log)
        # Without waiting for one another, which some compose programs do for ever: see ready.py.
        compose.run("up", "-d", "--no-deps", *_servers_first(names), log=log)
        remove_surplus(compose, compose.env.services)
        rolling.replace(compose, rolling.stale(compose, compose.env.get("CALLBOARD_IMAGE", IMAGE)), log, say)
        ready.wait_ready(compose, names, say)
    except (Trouble, KeyboardInterrupt):
        if not before:
            _undo(compose, log)
        raise
    say(f"ready in {time.monotonic() - began:.1f} s")
    say(where(compose.env, new=new))


def ours(env: Env) -> bool:
    """Tell whether this host runs anything of Callboard's image."""
    return any(SERVICES[name].ours for name in env.services)


def build(compose: Compose, log: Path) -> None:
    """Build the image of this checkout."""
    began = time.monotonic()
    say("building the image … ", end="")
    try:
        compose.build(IMAGE, {"VERSION": _version(compose.root), "REVISION": _revision(compose.root)}, log)
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:.1f} s")


def remove_surplus(compose: Compose, names: list[str]) -> None:
    """Remove containers above the number a service shall have; not every compose program does."""
    there = compose.containers()
    for name in names:
        for each in [found for found in there if found.service == name][compose.env.count(name) :]:
            rolling.remove(compose, each)


def where(env: Env, *, new: bool) -> str:
    """Return what the operator wants to know next."""
    lines = ["", "Callboard is running."]

    def line(title: str, service: str, note: str = "") -> None:
        if service in env.services:
            address, port = env.port(service)
            lines.append(f"  {title:<16}http://{_shown(address)}:{port}/{note}")

    line("API and UI", "web")
    line("dashboard", "dashboard")
    line("RabbitMQ", "rabbitmq", "  (user admin, password in .env)")
    line("Redis browser", "redis-browser")
    line("mail catcher", "mail")
    lines.append("  settings        .env (with the passwords and the key of admin)")
    if "web" in env.services:
        address, port = env.port("web")
        key = env.admin_key()
        shown = key if new else "$(sed -n 's/^CALLBOARD_API_KEYS=[^:]*:[^:]*:\\([^,]*\\).*/\\1/p' .env)"
        if new and key:
            lines += ["", f"The key of the user admin, also for signing in; it is kept in .env:\n  {key}"]
        lines += [
            "",
            "Try it:",
            f"  curl -s http://{_shown(address)}:{port}/api/tasks -H 'Content-Type: application/json' "
            "-H 'Prefer: wait=5' \\",
            f'    -H "Authorization: Bearer {shown}" \\',
            """    -d '{"task_type": "reverse_text", "parameters": {"text": "stressed"}}'""",
        ]
    return "\n".join([*lines, "", "make ps · logs · scale-workers N=4 · down; the data stays."])


def _shown(address: str) -> str:
    if address in ("0.0.0.0", "::"):  # noqa: S104 - compared
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _servers_first(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: SERVICES[name].ours)


def _title(env: Env, name: str) -> str:
    return name if (count := env.count(name)) == 1 else f"{count} × {name}"


def _undo(compose: Compose, log: Path) -> None:
    """Stop what was started; what it said is kept in `log`. Fails quietly, so that the reason is told."""
    with contextlib.suppress(Trouble):
        _keep_logs(compose, log)
    with contextlib.suppress(Trouble):
        compose.run("down", log=log, everything=True)


def _keep_logs(compose: Compose, log: Path) -> None:
    with log.open("a", encoding="utf-8") as file:
        for each in compose.containers():
            done = compose.call("logs", "--tail", "50", each.id)
            file.write(f"\n--- {each.name} ({each.state})\n{done.stdout}{done.stderr}")


def _version(root: Path) -> str:
    source = (root / "src/callboard/__init__.py").read_text(encoding="utf-8")
    return next(line.split('"')[1] for line in source.splitlines() if line.startswith("__version__"))


def _revision(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def first_use(path: Path) -> bool:
    """Write .env unless it is there, and say so."""
    written = dotenv.first_use(path)
    if written:
        say("wrote .env: new secrets, readable by you alone")
    return written
