"""Prints metrics as Prometheus reads them, on the web's `/metrics` and on a worker's own small server."""

import logging
import platform
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, start_http_server
from prometheus_client import exposition as plain
from prometheus_client.openmetrics import exposition as openmetrics

import callboard
from callboard.errors import SettingsError
from callboard.metrics import catalogue
from callboard.metrics.processes import SharedFiles, Together
from callboard.settings import Settings

logger = logging.getLogger(__name__)

#: Ports tried from CALLBOARD_WORKER_METRICS_PORT on: the workers of one machine take one each.
PORTS: Final = 64
#: Seconds a client of a worker's port may take to send its request: each has a thread.
READ_S: Final = 5.0


class BuildInfo:
    """The version as a metric."""

    def collect(self) -> Iterator[Metric]:
        """Yield it."""
        family = catalogue.BUILD.family()
        family.add_metric([callboard.__version__, platform.python_version()], 1.0)
        yield family


class Exposition:
    """What one process, or the web processes of one service, have counted."""

    def __init__(self, registry: CollectorRegistry, shared: SharedFiles | None = None) -> None:
        self._registry = registry
        self._shared = shared
        if shared is None:  # of several processes none could speak for the others
            ProcessCollector(registry=registry)

    def text(self, accept: str, more: Iterable[Metric] = ()) -> tuple[bytes, str]:
        """Return the metrics with `more`, and their content type, as the Accept header wants them."""
        ours = self._registry.collect() if self._shared is None else self._shared.collect()
        found: Any = Together(ours, more, BuildInfo().collect())
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(found), openmetrics.CONTENT_TYPE_LATEST
        return plain.generate_latest(found), plain.CONTENT_TYPE_PLAIN_0_0_4


class WorkerEndpoint:
    """`/metrics` of one worker process, on a port of its own; 0 for none."""

    def __init__(self, registry: CollectorRegistry, settings: Settings) -> None:
        self._registry = registry
        self._host = settings.worker_metrics_host
        # In embedded mode the web's own /metrics shows it.
        self._port = 0 if settings.embedded else settings.worker_metrics_port
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def start(self) -> None:
        """Serve in a thread; raises SettingsError when no port is free."""
        if not self._port:
            return
        ProcessCollector(registry=self._registry)
        self._registry.register(BuildInfo())
        for port in range(self._port, min(self._port + PORTS, 65_536)):
            try:
                self._server = start_http_server(port, self._host, self._registry)
            except OSError as error:
                problem = error
                continue
            _bear_with_clients(self._server[0])
            logger.info("metrics at http://%s:%d/metrics", self._host, port)
            return
        raise SettingsError(
            f"CALLBOARD_WORKER_METRICS_PORT: cannot listen on {self._host}, ports {self._port} to {port}: "
            f"{problem.strerror}"
        )

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
            self._server = None


def _bear_with_clients(server: WSGIServer) -> None:
    """Let go of slow clients; do without Python's stack trace on standard error for each that left."""

    def tell(request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            logger.exception("a request for metrics failed")

    handler: Any = server.RequestHandlerClass
    server.RequestHandlerClass = type("Handler", (handler,), {"timeout": READ_S})
    server.handle_error = tell  # type: ignore[method-assign]
