"""Runs the dashboard under gunicorn, in a process of its own; `callboard dashboard` calls it."""

import logging
from typing import Any

from gunicorn.app.base import BaseApplication

from callboard import bootstrap, logs
from callboard.access import wiring
from callboard.access.host_names import HostNames
from callboard.access.networks import parse_networks
from callboard.dashboard.again import Again
from callboard.dashboard.app import Dashboard
from callboard.dashboard.gate import Gate
from callboard.dashboard.guard import Guard
from callboard.dashboard.records import Records
from callboard.settings import Settings

logger = logging.getLogger(__name__)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn, configured from the settings and nothing else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn."""
        settings = self._settings
        options: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.dashboard_port}",
            "worker_class": "callboard.dashboard.worker.ReadingInTime",
            "workers": 1,
            "threads": 8,
            "keepalive": 5,
            "graceful_timeout": 10,
            "timeout": 60,
            "proc_name": "callboard-dashboard",
            "loglevel": "warning",
            "logger_class": "callboard.gunicorn_log.RootLogger",
            "control_socket_disable": True,
            "when_ready": self._ready,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def _ready(self, _server: Any) -> None:
        settings = self._settings
        logger.info("dashboard ready on http://%s:%d/", settings.host, settings.dashboard_port)

    def load(self) -> Gate:
        """Return the application, made in the worker process."""
        return make(self._settings)


def make(settings: Settings) -> Gate:
    """Return the WSGI application of an installation; connects to nothing yet."""
    made = bootstrap.parts(settings)
    records = Records(
        store=made.store,
        keys=made.keys,
        types_by_queue=made.registry.types_by_queue(),
        result_ttl_s=settings.result_ttl,
        retry=Again(made.store, made.keys, made.broker).retry,
    )
    gate = wiring.gate(settings) if settings.auth_required else None
    proxies, hosts = parse_networks(",".join(settings.proxies)), HostNames(settings.host_names)
    guard = Guard(gate, made.store, made.keys, settings.audit_limit, proxies, hosts)
    return Gate(Dashboard(records), guard)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises SettingsError when strangers could come in without a key."""
    logs.setup(settings.log_level, settings.log_format)
    wiring.check_entrance(settings)
    Server(settings).run()
