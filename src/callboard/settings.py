"""Settings: the environment read once into one frozen object; nothing else reads it.

`from_env` raises SettingsError with the variable's name, what is wrong and an example.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from callboard.access import host_names, networks
from callboard.access.secret import GivenKey, parse_given
from callboard.errors import SettingsError
from callboard.store import sentinel

PREFIX: Final = "CALLBOARD_"
MEMORY: Final = "memory://"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of one process. Names of fields are the variables' in lower case."""

    #: `amqp://user:password@host:port/vhost`, several separated by `;`, or `memory://`.
    broker_url: str = field(default=MEMORY, repr=False)
    #: `redis://:password@host:port/0`, or `memory://`.
    redis_url: str = field(default=MEMORY, repr=False)
    host: str = "127.0.0.1"
    port: int = 5000
    #: Where dramatiq-dashboard listens, on the same host.
    dashboard_port: int = 5555
    #: Put before every Redis key and RabbitMQ name, so that installations can share servers.
    namespace: str = ""
    #: Modules or packages whose task types are served.
    actors: tuple[str, ...] = ("actors",)
    #: Seconds a finished task is kept.
    result_ttl: int = 7 * 86_400
    #: Bytes of JSON a task may return.
    result_limit: int = 256 * 1024
    log_level: str = "INFO"
    log_format: str = "console"
    #: Whether spans go to an OTLP collector, and where it is; "": where OTEL_EXPORTER_OTLP_ENDPOINT says.
    traces: bool = False
    otlp_endpoint: str = field(default="", repr=False)
    #: Whether every HTTP request is a line of the log.
    access_log: bool = False
    #: Where uploads live and file tasks read: `file:///folder` or `s3://bucket/prefix`.
    files_url: str = field(default="", repr=False)
    #: Bytes of one uploaded file.
    upload_limit: int = 1024 * 1024 * 1024
    smtp_url: str = field(default="console://", repr=False)
    mail_from: str = "callboard@localhost"
    #: Threads of one worker process.
    threads: int = 8
    #: Seconds a stopping worker lets its tasks run on.
    drain_timeout: float = 30.0
    #: Web processes.
    web_processes: int = 1
    #: `classic` queues have three priority levels; `quorum` queues survive the loss of a node.
    queue_type: str = "classic"
    #: Seconds to wait for RabbitMQ's confirm before the answer is 503.
    confirm_timeout: float = 5.0
    #: Open streams (SSE, WebSocket) of one client address, and of one web process in all.
    streams_per_client: int = 1000
    streams: int = 10_000
    #: Seconds without an event until a stream shows that it lives.
    heartbeat: float = 15.0
    #: Where a worker serves `/metrics`: the first free port from this one on; 0 for none.
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: int = 0
    #: Queued tasks of one queue from which on submits to it are refused; 0: any number.
    queue_limit: int = 0
    #: Schedules there may be.
    schedule_limit: int = 1000
    #: From when on `GET /api/health` calls a queue behind: seconds its oldest task waits, tasks that wait.
    health_waiting: int = 300
    health_depth: int = 10_000
    #: … says that a type fails: per cent of what ended within 5 minutes; that many failed tasks are left.
    health_failures: int = 20
    health_dead: int = 1_000
    #: Keys that need no Redis, as `name:role:key,…`; only their digests are kept.
    api_keys: tuple[GivenKey, ...] = field(default=(), repr=False)
    #: `required`, `off` (loopback only), or `auto`: off on loopback.
    auth: str = "auto"
    #: Seconds a browser's session lives unused, and at most.
    session_idle: int = 12 * 3600
    session_most: int = 7 * 86_400
    #: Networks of proxies that are believed whom they forward for; names besides loopback's, without keys.
    proxies: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()
    #: Seconds an entry of the audit trail is kept, and how many of submits, and of all else.
    audit_ttl: int = 90 * 86_400
    audit_limit: int = 100_000

    @property
    def auth_required(self) -> bool:
        """Tell whether a request needs a key or a session."""
        return self.auth == "required" or (self.auth == "auto" and self.host not in host_names.LOOPBACK)

    @property
    def embedded(self) -> bool:
        """Tell whether everything runs in one process, without servers."""
        return self.broker_url == MEMORY


def environment() -> dict[str, str]:
    """Return a copy of this process's environment; the only place that reads it."""
    return dict(os.environ)


def tell_library(name: str, value: str) -> None:
    """Set a variable for a library that knows no other way to be told."""
    os.environ[name] = value


def from_env(env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of `env` (default: this process's environment).

    `CALLBOARD_X_FILE` names a file that holds the value of `CALLBOARD_X` (for secrets).
    Raises SettingsError.
    """
    source = _Source(environment() if env is None else env)
    settings = Settings(
        broker_url=source.take("BROKER_URL", _broker_url, MEMORY),
        redis_url=source.take("REDIS_URL", _redis_url, MEMORY),
        host=source.take("HOST", str, "127.0.0.1"),
        port=source.take("PORT", _whole(1, 65_535, "5000"), 5000),
        dashboard_port=source.take("DASHBOARD_PORT", _whole(1, 65_535, "5555"), 5555),
        namespace=source.take("NAMESPACE", _namespace, ""),
        actors=source.take("ACTORS", _modules, ("actors",)),
        result_ttl=source.take("RESULT_TTL", _whole(60, 10**9, "604800"), 7 * 86_400),
        result_limit=source.take("RESULT_LIMIT", _whole(1024, 16 * 2**20, "262144"), 256 * 1024),
        log_level=source.take("LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        log_format=source.take("LOG_FORMAT", _one_of("console", "json"), "console"),
        traces=source.take("TRACES", _one_of("off", "on"), "off") == "on",
        otlp_endpoint=source.take("OTLP_ENDPOINT", _otlp_endpoint, ""),
        access_log=source.take("ACCESS_LOG", _one_of("off", "on"), "off") == "on",
        files_url=source.take("FILES_URL", _files_url, (Path.cwd() / ".run/files").as_uri()),
        upload_limit=source.take("UPLOAD_LIMIT", _whole(1, 2**50, "1073741824"), 2**30),
        smtp_url=source.take("SMTP_URL", _smtp_url, "console://"),
        mail_from=source.take("MAIL_FROM", str, "callboard@localhost"),
        threads=source.take("THREADS", _whole(1, 256, "8"), 8),
        drain_timeout=source.take("DRAIN_TIMEOUT", _seconds("30"), 30.0),
        web_processes=source.take("WEB_PROCESSES", _whole(1, 64, "2"), 1),
        queue_type=source.take("QUEUE_TYPE", _one_of("classic", "quorum"), "classic"),
        confirm_timeout=source.take("CONFIRM_TIMEOUT", _seconds("5"), 5.0),
        streams_per_client=source.take("STREAMS_PER_CLIENT", _whole(1, 10**6, "1000"), 1000),
        streams=source.take("STREAMS", _whole(1, 10**6, "10000"), 10_000),
        heartbeat=source.take("HEARTBEAT", _seconds("15"), 15.0),
        worker_metrics_host=source.take("WORKER_METRICS_HOST", str, "127.0.0.1"),
        worker_metrics_port=source.take("WORKER_METRICS_PORT", _whole(0, 65_535, "9100"), 0),
        queue_limit=source.take("QUEUE_LIMIT", _whole(0, 10**9, "100000"), 0),
        schedule_limit=source.take("SCHEDULE_LIMIT", _whole(0, 100_000, "1000"), 1000),
        health_waiting=source.take("HEALTH_WAITING", _whole(1, 10**7, "300"), 300),
        health_depth=source.take("HEALTH_DEPTH", _whole(1, 10**9, "10000"), 10_000),
        health_failures=source.take("HEALTH_FAILURES", _whole(1, 100, "20"), 20),
        health_dead=source.take("HEALTH_DEAD", _whole(1, 10**9, "1000"), 1_000),
        api_keys=source.take("API_KEYS", parse_given, ()),
        auth=source.take("AUTH", _one_of("auto", "required", "off"), "auto"),
        session_idle=source.take("SESSION_IDLE", _whole(60, 7 * 86_400, "43200"), 12 * 3600),
        session_most=source.take("SESSION_MOST", _whole(60, 7 * 86_400, "604800"), 7 * 86_400),
        proxies=source.take("PROXIES", networks.checked, ()),
        host_names=source.take("HOST_NAMES", host_names.parse_names, ()),
        audit_ttl=source.take("AUDIT_TTL", _whole(60, 10**9, "7776000"), 90 * 86_400),
        audit_limit=source.take("AUDIT_LIMIT", _whole(100, 10**7, "100000"), 100_000),
    )
    if (settings.broker_url == MEMORY) != (settings.redis_url == MEMORY):
        raise SettingsError(
            f"{PREFIX}BROKER_URL and {PREFIX}REDIS_URL: either both are {MEMORY} (embedded mode) "
            "or both name a server, e.g. amqp://user:password@localhost:5672/ and redis://localhost:6379/0"
        )
    if settings.auth == "off" and settings.host not in host_names.LOOPBACK:
        raise SettingsError(
            f"{PREFIX}AUTH=off: {PREFIX}HOST={settings.host} can be reached from other machines, and whoever "
            "reaches it could do everything; use 127.0.0.1, or leave AUTH at auto and make a key"
        )
    if settings.embedded and settings.web_processes != 1:
        raise SettingsError(f"{PREFIX}WEB_PROCESSES: embedded mode ({MEMORY}) has exactly 1")
    return settings


def worker_id() -> str:
    """Return this process's name in records and lists: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


class _Source:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def take(self, name: str, parse: Callable[[str], T], default: T) -> T:
        variable = PREFIX + name
        text = self._env.get(variable)
        if path := self._env.get(f"{variable}_FILE"):
            if text is not None:
                raise SettingsError(f"{variable} and {variable}_FILE are both set; keep one")
            try:
                text = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{variable}_FILE: cannot read {path}: {error.strerror}") from error
            except ValueError:  # the error itself would hold the content
                raise SettingsError(f"{variable}_FILE: cannot read {path}: it is no UTF-8 text") from None
        if text is None or text == "":
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingsError(f"{variable}: {error}") from None


def _whole(low: int, high: int, sample: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"{text!r} is no whole number from {low} to {high}; e.g. {sample}")
        return value

    return parse


def _seconds(sample: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 < value <= 86_400:
            raise ValueError(f"{text!r} is no number of seconds above 0; e.g. {sample}")
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"{text!r} is none of {', '.join(choices)}")

    return parse


def _url(text: str, schemes: tuple[str, ...], sample: str) -> str:
    parts: Any = None
    try:
        parts = urlsplit(text)
        valid = parts.scheme in schemes and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:  # the value itself may hold a password and is not repeated
        raise ValueError(f"is no {' or '.join(s + '://' for s in schemes)} URL; e.g. {sample}")
    return text


def _broker_url(text: str) -> str:
    if text == MEMORY:
        return text
    sample = "amqp://user:password@localhost:5672/callboard"
    return ";".join(_url(part.strip(), ("amqp", "amqps"), sample) for part in text.split(";"))


def _redis_url(text: str) -> str:
    if sentinel.is_sentinel(text):
        return sentinel.checked(text)
    return text if text == MEMORY else _url(text, ("redis", "rediss", "unix"), "redis://localhost:6379/0")


def _files_url(text: str) -> str:
    return _url(text, ("file", "s3"), "file:///var/lib/callboard/files or s3://bucket/prefix")


def _smtp_url(text: str) -> str:
    schemes = ("smtp", "smtps", "smtp+starttls", "console")
    return _url(text, schemes, "smtp://user:password@mail.example.org:587")


def _otlp_endpoint(text: str) -> str:
    return _url(text, ("http", "https"), "http://localhost:4318")


def _namespace(text: str) -> str:
    if not text.replace("-", "").replace("_", "").isalnum() or not text.isascii() or len(text) > 40:
        raise ValueError(f"{text!r} may hold up to 40 letters, digits, - and _; e.g. staging")
    return text


def _modules(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names or not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError(f"{text!r} is no list of Python modules; e.g. actors,mycompany.tasks")
    return names
