"""The values of .env in effect; what is missing, weak or impossible is told before anything starts."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from deploy.containers import dotenv
from deploy.containers.services import PROFILES, SERVICES, chosen
from deploy.containers.trouble import Trouble

#: What compose takes from the environment before .env; we follow it.
_OURS: Final = re.compile(r"(CALLBOARD|COMPOSE|RABBITMQ|REDIS)_[A-Z_]+")

#: What a key may do; a test compares it with Callboard's own.
ROLES: Final = ("submit", "read", "operate", "admin")

_SHORTEST_SECRET: Final = 20
#: Seconds a container has beyond the drain time before it is killed.
_GRACE_ABOVE_DRAIN_S: Final = 10.0
_GUESSABLE: Final = re.compile(r"passw|guest|secret|changeme|change-me|example|callboard|1234", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What RabbitMQ and Redis must be told."""

    broker_user: str
    broker_password: str
    vhost: str
    redis_user: str
    redis_password: str
    rabbitmq_admin: str
    redis_admin: str


@dataclass(frozen=True, slots=True)
class Env:
    """The values in effect: of .env, under those of the environment, as compose takes them."""

    values: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        """Return a value; an empty one counts as none."""
        return self.values.get(name) or default

    @property
    def profiles(self) -> frozenset[str]:
        """What this host runs."""
        return frozenset(part.strip() for part in self.get("COMPOSE_PROFILES").split(",") if part.strip())

    @property
    def services(self) -> list[str]:
        """The services this host runs."""
        return chosen(self.profiles)

    @property
    def wanted(self) -> list[str]:
        """The services this host runs that shall have a container at all."""
        return [name for name in self.services if self.count(name)]

    @property
    def project(self) -> str:
        """The name compose gives the installation."""
        return self.get("COMPOSE_PROJECT_NAME", "callboard")

    @property
    def digest(self) -> str:
        """A short text that is another one when a setting is; numbers of containers and ports are none."""
        ports = [port for service in SERVICES.values() if (port := service.port)]
        left_out = {service.count for service in SERVICES.values()}
        left_out |= {name for port in ports for name in (port.variable, port.address_variable)}
        settings = sorted(
            (name, value)
            for name, value in self.values.items()
            if re.match(r"(CALLBOARD|AWS)_", name) and name not in left_out
        )
        return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]

    def port(self, service: str) -> tuple[str, int]:
        """Return address and port at which a service is published on this host."""
        port = SERVICES[service].port
        assert port is not None  # noqa: S101 - asked for published services only
        address = self.get(port.address_variable, "127.0.0.1") if port.address_variable else "127.0.0.1"
        return address, int(self.get(port.variable, str(port.default)))

    def count(self, service: str) -> int:
        """Return how many containers a service shall have."""
        found = SERVICES[service]
        return int(self.get(found.count, str(found.default_count))) if found.count else 1

    def grace_s(self, service: str) -> int:
        """Return the seconds a container has to stop: `stop_grace_period`, which not every engine is told."""
        if SERVICES[service].count:
            return int(self.get("CALLBOARD_STOP_GRACE", "45s").removesuffix("s"))
        return 20 if SERVICES[service].ours else 60

    def admin_key(self) -> str:
        """Return the first key with the role admin, or ""."""
        for entry in self.get("CALLBOARD_API_KEYS").split(","):
            name, _, rest = entry.strip().partition(":")
            role, _, key = rest.partition(":")
            if name and role == "admin":
                return key
        return ""


def load(path: Path, environment: Mapping[str, str]) -> Env:
    """Read .env and look at every value that can go wrong; raises Trouble with the first that does."""
    env = Env({**dotenv.read(path), **{k: v for k, v in environment.items() if _OURS.fullmatch(k) and v}})
    _check_profiles(env)
    _check_ports(env)
    for service in SERVICES.values():
        if service.count:
            _number(env, service.count, 0, 64)
    _check_drain(env)
    secrets_of(env)
    if {"web", "dashboard"} & set(env.services):
        _check_keys(env)
    return env


def secrets_of(env: Env) -> Secrets:
    """Return the users and passwords of RabbitMQ and Redis; raises Trouble when one is missing or weak."""
    ours = any(SERVICES[name].ours for name in env.services)
    broker = _server(
        env,
        "CALLBOARD_BROKER_URL",
        ours,
        "rabbitmq" in env.services,
        ("amqp", "amqps"),
        "amqp://callboard:…@rabbitmq:5672/callboard",
    )
    redis = _server(
        env,
        "CALLBOARD_REDIS_URL",
        ours,
        "redis" in env.services,
        ("redis", "rediss", "redis+sentinel", "rediss+sentinel"),
        "redis://callboard:…@redis:6379/0",
    )
    admins = {}
    for service, name in (("rabbitmq", "RABBITMQ_ADMIN_PASSWORD"), ("redis", "REDIS_ADMIN_PASSWORD")):
        admins[service] = env.get(name)
        if service in env.services:
            _check_secret(name, admins[service])
    vhost = unquote(broker.path.removeprefix("/"))
    if "rabbitmq" in env.services and not re.fullmatch(r"[A-Za-z0-9_-]+", vhost):
        raise Trouble(".env: CALLBOARD_BROKER_URL names no virtual host of its own; end it with /callboard")
    return Secrets(
        broker_user=unquote(broker.username or ""),
        broker_password=unquote(broker.password or ""),
        vhost=vhost,
        redis_user=unquote(redis.username or ""),
        redis_password=unquote(redis.password or ""),
        rabbitmq_admin=admins["rabbitmq"],
        redis_admin=admins["redis"],
    )


def _check_profiles(env: Env) -> None:
    if not env.profiles:
        raise Trouble(".env: COMPOSE_PROFILES is missing; COMPOSE_PROFILES=all runs everything on this host")
    if unknown := sorted(env.profiles - PROFILES):
        raise Trouble(
            f".env: COMPOSE_PROFILES: unknown {', '.join(unknown)}; there are {', '.join(sorted(PROFILES))}"
        )


def _check_ports(env: Env) -> None:
    taken: dict[int, str] = {}
    for name in env.services:
        port = SERVICES[name].port
        if port is None:
            continue
        number = _number(env, port.variable, 1, 65_535, port.default)
        if number in taken:
            raise Trouble(f".env: {port.variable} and {taken[number]} are both {number}; change one")
        taken[number] = port.variable


def _check_drain(env: Env) -> None:
    drain_s = _seconds(env, "CALLBOARD_DRAIN_TIMEOUT", "30", r"(\d+(?:\.\d+)?)")
    grace_s = _seconds(env, "CALLBOARD_STOP_GRACE", "45s", r"(\d+)s")
    if grace_s < drain_s + _GRACE_ABOVE_DRAIN_S:
        raise Trouble(
            f".env: CALLBOARD_STOP_GRACE must be at least {drain_s + _GRACE_ABOVE_DRAIN_S:g}s: workers let "
            f"tasks run on for CALLBOARD_DRAIN_TIMEOUT={drain_s:g}, and what still runs at its end is killed"
        )


def _check_keys(env: Env) -> None:
    keys = [entry.strip() for entry in env.get("CALLBOARD_API_KEYS").split(",") if entry.strip()]
    if not keys:
        raise Trouble(
            ".env: CALLBOARD_API_KEYS is missing; e.g. CALLBOARD_API_KEYS=admin:admin:"
            + f"cb_{secrets.token_urlsafe(32)}"
        )
    for entry in keys:
        parts = entry.split(":")
        if len(parts) != 3 or not all(parts):
            raise Trouble(".env: CALLBOARD_API_KEYS: an entry is not name:role:key")
        if parts[1] not in ROLES:
            raise Trouble(
                f".env: CALLBOARD_API_KEYS: the role of {parts[0]}, {parts[1]}, is none of {', '.join(ROLES)}"
            )
        _check_secret(f"CALLBOARD_API_KEYS: the key of {parts[0]}", parts[2])


def _server(
    env: Env, name: str, used: bool, here: bool, schemes: tuple[str, ...], sample: str
) -> SplitResult:
    """Return the parts of an address.

    `used`: something of this host connects to it; `here`: this host runs it, so its password is looked at.
    """
    text = env.get(name)
    if not text and not (used or here):
        return urlsplit("")
    if not text:
        raise Trouble(f".env: {name} is missing; e.g. {name}={sample}")
    # Of several addresses the first will do: user and password are the same at each.
    first = re.sub(r"^([^/]*//[^/,]*),[^/?]*", r"\1", text.split(";")[0].strip())
    try:
        parts = urlsplit(first)
        valid = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise Trouble(f".env: {name} is no {' or '.join(schemes)} URL; e.g. {sample}")
    if parts.username == "guest" or (here and parts.username in (None, "", "default", "admin")):
        raise Trouble(f".env: {name}: the user must be one of Callboard's own; e.g. {sample}")
    if here:
        _check_secret(f"{name}: its password", unquote(parts.password or ""))
    return parts


def _check_secret(what: str, secret: str) -> None:
    if not secret:
        problem = "is missing"
    elif len(secret) < _SHORTEST_SECRET:
        problem = f"is shorter than {_SHORTEST_SECRET} characters"
    elif len(set(secret)) < 8 or (_GUESSABLE.search(secret) and len(secret) < 2 * _SHORTEST_SECRET):
        problem = "can be guessed"
    elif not re.fullmatch(r"[A-Za-z0-9_.~-]+", secret):
        problem = "has characters other than letters, digits and _ . ~ -"
    else:
        return
    raise Trouble(f".env: {what} {problem}; a good one: {secrets.token_urlsafe(32)}")


def _number(env: Env, name: str, low: int, high: int, default: int = 1) -> int:
    text = env.get(name, str(default))
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise Trouble(f".env: {name}={text} is no whole number from {low} to {high}")
    return int(text)


def _seconds(env: Env, name: str, default: str, form: str) -> float:
    match = re.fullmatch(form, env.get(name, default))
    if match is None:
        raise Trouble(f".env: {name}={env.get(name)} is no number of seconds; e.g. {name}={default}")
    return float(match[1])
