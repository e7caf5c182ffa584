"""`up`: from a clone to everything ready; asked again it brings what runs in line with .env and checkout."""

import contextlib
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Final

from deploy.containers import dotenv, ready, rolling, servers
from deploy.containers.compose import Compose, last_line
from deploy.containers.env import Env
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble

IMAGE: Final = "localhost/callboard:latest"
#: Names the services whose new files are written, until they have started with them.
_NOT_YET: Final = "not-yet"
#: Seconds for downloading an image.
_PULL_S: Final = 1800.0

say = partial(print, flush=True)


def folder_of(root: Path) -> Path:
    """Return the private folder with what containers read, and logs; made if it is missing."""
    (root / ".run").mkdir(mode=0o700, exist_ok=True)
    folder = root / ".run/containers"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def up(compose: Compose, *, new: bool) -> None:
    """Build, start and wait; `new`: .env has just been written.

    Raises Trouble, which says what runs now: what this call started is stopped again, unless something ran
    before.
    """
    folder = folder_of(compose.root)
    log = folder / "up.log"
    log.unlink(missing_ok=True)
    before = {each.service for each in compose.running()}
    ready.check_ports(compose.env, before)
    get_image(compose)
    changed = _changed(compose.env, folder)
    if ours(compose.env) and not compose.env.get("CALLBOARD_IMAGE"):
        build(compose, log)
        ready.check_ports(compose.env, before)  # a first build takes minutes
    began = time.monotonic()
    names = compose.env.wanted
    say("starting " + ", ".join(_title(compose.env, name) for name in names))
    try:
        if stale := [name for name in changed if name in before]:
            compose.run("up", "-d", "--no-deps", "--force-recreate", *stale, log=log)
        _start(compose, _servers_first(names), log)
        (folder / _NOT_YET).unlink(missing_ok=True)
        remove_surplus(compose, compose.env.services)
        rolling.replace(compose, rolling.stale(compose, compose.env.get("CALLBOARD_IMAGE", IMAGE)), log, say)
        ready.wait_ready(compose, names, say)
    except Trouble as trouble:
        trouble.tell()  # before what follows, which can take a minute
        say(_left(compose, bool(before), log))
        raise
    except KeyboardInterrupt:
        if not before:
            _undo(compose, log)
        raise
    say(f"ready in {time.monotonic() - began:.1f} s")
    say(where(compose.env, new=new))


def get_image(compose: Compose) -> None:
    """Download the image that .env names unless it is here; raises Trouble when it is not to be had.

    Compose would build this checkout instead, and give it that name.
    """
    name = compose.env.get("CALLBOARD_IMAGE")
    if not name or not ours(compose.env) or compose.call("image", "inspect", name).returncode == 0:
        return
    say(f"downloading {name}")
    done = compose.call("pull", "-q", name, timeout_s=_PULL_S)
    if done.returncode != 0:
        raise Trouble(
            f".env: CALLBOARD_IMAGE={name} is not here and cannot be downloaded: "
            f"{last_line(done.stderr or done.stdout)}; without the line, `make up` builds this checkout"
        )


def _changed(env: Env, folder: Path) -> list[str]:
    """Write what RabbitMQ and Redis read; return who has not started with it yet.

    Those of an earlier `up` that did not come to it are among them: theirs would stay the old passwords.
    """
    left = folder / _NOT_YET
    before = left.read_text(encoding="utf-8").split() if left.exists() else []
    changed = {*servers.write(env, folder), *before} & set(env.services)
    left.write_text("\n".join(sorted(changed)), encoding="utf-8")
    return sorted(changed)


def _start(compose: Compose, names: list[str], log: Path) -> None:
    try:
        # Without waiting for one another, which some compose programs do for ever: see ready.py.
        compose.run("up", "-d", "--no-deps", *names, log=log)
    except Trouble:
        # A port that was taken meanwhile is told better, with the line that moves it.
        ready.check_ports(compose.env, {each.service for each in compose.running()})
        raise


def _left(compose: Compose, ran: bool, log: Path) -> str:
    """Return what a start that failed leaves behind, undone as far as it can be."""
    if not ran:
        say("stopping what was started …")
        _undo(compose, log)
    try:
        left = compose.running()
    except Trouble:
        return "`make ps` shows what runs"
    if ran:
        return (
            f"{len(left)} containers run on, those of Callboard with this .env; when it is mended: `make up`"
        )
    return "some containers still run: `make down`" if left else "nothing runs now; the data is kept"


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
