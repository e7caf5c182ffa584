"""What waiting does not mend: a server that refuses what .env says, a container that does not stay up."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from deploy.containers.compose import Compose, Container, last_line
from deploy.containers.env import Env
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble

#: Seconds of a log that count as now. A worker tries again every second, and says so every 30 s.
_RECENT_WORKER_S: Final = 35
_RECENT_S: Final = 5
#: Seconds from which on something counts as lasting: more than a line counts as recent, so that one refusal,
#: as of a server that is just being replaced, is not enough.
_LASTING_S: Final = 6.0
#: Ends of one container while we wait from which on the next start will not help either.
_ENDS: Final = 2
_SHOWN_LINES: Final = 8

_LOGIN: Final = re.compile(r"Login was refused")
_NO_VHOST: Final = re.compile(r"NOT_ALLOWED - vhost \S+ not found")
_VHOST_CLOSED: Final = re.compile(r"NOT_ALLOWED - access to vhost")
_REDIS_LOGIN: Final = re.compile(
    r"AuthenticationError|invalid username-password pair|WRONGPASS|NOAUTH|Authentication required"
)
_REDIS_RIGHTS: Final = re.compile(r"NoPermissionError|NOPERM|has no permissions")
_BROKER_AWAY: Final = re.compile(r"RabbitMQ at [^ :]+:\d+: [^\"]+")


def refusal(env: Env, said: str) -> str | None:
    """Return one line for what RabbitMQ or Redis refuses in a text of ours: the line of .env, and the fix."""
    if _LOGIN.search(said):
        return _other(env, "rabbitmq", "refuses the user {user}", "user or password", "CALLBOARD_BROKER_URL")
    if _NO_VHOST.search(said):
        return _other(env, "rabbitmq", "has no such virtual host", "virtual host", "CALLBOARD_BROKER_URL")
    if _VHOST_CLOSED.search(said):
        return _other(
            env,
            "rabbitmq",
            "does not let {user} into the virtual host",
            "virtual host",
            "CALLBOARD_BROKER_URL",
        )
    if _REDIS_LOGIN.search(said):
        return _other(env, "redis", "refuses the user {user}", "user or password", "CALLBOARD_REDIS_URL")
    if _REDIS_RIGHTS.search(said):
        return _other(env, "redis", "gives the user {user} too few rights", "user", "CALLBOARD_REDIS_URL")
    return None


def _other(env: Env, server: str, does: str, what: str, name: str) -> str:
    title = {"rabbitmq": "RabbitMQ", "redis": "Redis"}[server]
    parts = urlsplit(env.get(name).split(";")[0].strip())
    host = re.sub(r"^.*@", "", parts.netloc)  # several addresses, as of Sentinels, stay as they are
    user = unquote(parts.username or "") or "without a name"
    if server in env.services:
        fix = f"{title} takes them from .env when it starts: `make down`, then `make up`"
    else:
        fix = f"write what {title}'s own host has in its .env, then `make up`"
    return f"{title} at {host} {does.format(user=user)}; .env: {name} has another {what} than {title}; {fix}"


def complaint(compose: Compose, name: str) -> str | None:
    """Return what a service has just logged about RabbitMQ, which its health does not show."""
    recent_s = _RECENT_WORKER_S if SERVICES[name].count else _RECENT_S
    for each in compose.running(name):
        done = compose.call("logs", "--since", f"{recent_s}s", each.id)
        if found := _BROKER_AWAY.findall(done.stdout + done.stderr):
            return str(found[-1])
    return None


class Watch:
    """Looks, while everything is waited for, whether that makes sense."""

    def __init__(self, compose: Compose, clock: Callable[[], float] = time.monotonic) -> None:
        self._compose = compose
        self._clock = clock
        #: What is wrong, and since when without a pause.
        self._since: dict[str, float] = {}
        self._restarts: dict[str, int] = {}

    def look(self, reasons: Mapping[str, str]) -> None:
        """Raise Trouble when waiting is no use; `reasons`: why each service that is not ready is not."""
        now = self._clock()
        there = [each for each in self._compose.containers() if each.service in reasons]
        self._ended(there)
        refused = [refusal(self._compose.env, reason) for reason in reasons.values()]
        lasting = [*filter(None, refused), *self._not_started(there, reasons)]
        self._since = {what: self._since.get(what, now) for what in lasting}
        for what, since in self._since.items():
            if now - since >= _LASTING_S:
                raise Trouble(what)

    def _ended(self, there: Iterable[Container]) -> None:
        found = {each.id: each for each in there}
        for each in found.values():
            if each.state in ("exited", "dead", "restarting", "stopped"):
                raise self._fallen(each, "has ended")
        if not found:
            return
        done = self._compose.call("inspect", "--format", "{{.Id}} {{.RestartCount}}", *found)
        for line in done.stdout.splitlines():
            identity, _, number = line.partition(" ")
            if identity not in found or not number.isdigit():
                continue
            before = self._restarts.setdefault(identity, int(number))
            if int(number) - before >= _ENDS:
                raise self._fallen(found[identity], "ends again and again")

    def _fallen(self, container: Container, how: str) -> Trouble:
        said = last_lines(self._compose, container)
        shown = [
            f"the last lines of {container.name}:",
            *(f"  {line[:500]}" for line in said[-_SHOWN_LINES:]),
        ]
        return Trouble(f"{container.service} {how}: {last_line(chr(10).join(said))}", shown)

    def _not_started(self, there: list[Container], reasons: Mapping[str, str]) -> list[str]:
        """Return which services have not been started at all, though compose has done its part."""
        waiting = {each.service for each in there if each.state in ("created", "configured", "initialized")}
        missing = {name for name in reasons if self._compose.env.count(name)} - {
            each.service for each in there
        }
        return [f"{name} has not been started; .run/containers/up.log" for name in sorted(waiting | missing)]


def last_lines(compose: Compose, container: Container) -> list[str]:
    """Return what a container said last, readable: of a JSON log level, message and the error's line."""
    done = compose.call("logs", "--tail", "20", container.id)
    lines = [line.rstrip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    # One that starts again and again says the same each time.
    return list(dict.fromkeys(map(_readable, lines))) or ["it said nothing"]


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
        text = f"{entry['level']} {entry['message']}"
        if trace := str(entry.get("traceback", "")).strip():
            text += f" | {trace.splitlines()[-1]}"
    except (ValueError, KeyError, TypeError):
        return line.removeprefix("callboard: ")
    return text
