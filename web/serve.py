"""Runs the application under gunicorn with its asgi worker; `callboard web` and `run` call it."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.app.base import BaseApplication

from callboard import bootstrap, logs, traces
from callboard.access.networks import parse_networks
from callboard.metrics.processes import SharedFiles
from callboard.settings import Settings
from web import protocol
from web.app import create_app
from web.forwarded import Forwarded
from web.metrics import Measure
from web.whole import WholeBodies


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn, configured from the settings and nothing else."""

    def __init__(
        self, settings: Settings, shared: SharedFiles | None, listening: Callable[[], None] | None
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._listening = listening
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn."""
        settings = self._settings
        options: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": settings.web_processes,
            "worker_class": "web.worker.StreamEndingWorker",
            "asgi_loop": "uvloop",
            # "auto" ignores a start-up that fails and serves a broken application.
            "asgi_lifespan": "on",
            "worker_connections": 10_000,
            "backlog": 2048,
            "keepalive": 65,
            # Nothing is expected from those who watch; the default of 16 MiB is held in memory for each.
            "websocket_max_message_size": 4096,
            "graceful_timeout": 10,
            "timeout": 60,
            "proc_name": "callboard-web",
            "loglevel": "warning",
            "logger_class": "callboard.gunicorn_log.RootLogger",
            "control_socket_disable": True,
        }
        if self._shared is not None:
            options["child_exit"] = partial(_child_exit, self._shared)
        if (listening := self._listening) is not None:
            options["when_ready"] = lambda _arbiter: listening()
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application, made in the worker process."""
        settings = self._settings
        protocol.repair()
        make = partial(bootstrap.service, settings, self._shared)
        measure = Measure()
        app = WholeBodies(create_app(make, traced=settings.traces, measure=measure), measure.cut)
        return Forwarded(app, parse_networks(",".join(settings.proxies))) if settings.proxies else app


def run(settings: Settings, listening: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; of several web processes, this one starts and watches the others.

    `listening` is called as soon as connections are accepted.
    """
    logs.setup(settings.log_level, settings.log_format)
    traces.check(settings)
    shared = SharedFiles() if settings.web_processes > 1 else None
    try:
        Server(settings, shared, listening).run()
    finally:
        if shared is not None and os.getpid() == shared.owner:
            shared.remove()


def _child_exit(shared: SharedFiles, _arbiter: Any, worker: Any) -> None:
    shared.ended(worker.pid)
