"""`GET /metrics`, and what every request adds to it."""

import asyncio
import time
from typing import Any, Final

import falcon.asgi

from callboard.metrics.web import WebMetrics
from callboard.service import Service

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Where tasks are submitted: a POST that ends there with a problem is a refused task.
SUBMITS: Final = frozenset({"/api/tasks", "/api/tasks/batch"})


class Metrics:
    """`GET /metrics`, for Prometheus."""

    def __init__(self, service: Service) -> None:
        self._fleet = service.fleet
        self._exposition = service.exposition

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show every metric; whatever parameters a scraper sends are none of ours."""
        gauges = await self._fleet.gauges()
        # In a thread: some milliseconds for which nobody else has to wait.
        accept = req.get_header("Accept") or ""
        resp.data, resp.content_type = await asyncio.to_thread(self._exposition.text, accept, gauges)
        resp.set_header("Cache-Control", "no-store")


class Measure:
    """Takes the time of every request and counts refused submits; the outermost middleware."""

    #: Set once the service is there.
    metrics: WebMetrics

    async def process_request(self, req: Request, resp: Response) -> None:
        """Note when it began."""
        req.context.begun = time.perf_counter()

    async def process_response(self, req: Request, resp: Response, resource: Any, succeeded: bool) -> None:
        """Count it."""
        seconds = time.perf_counter() - req.context.begun
        self.metrics.answered(req.method, req.uri_template, resp.status, seconds)
        reason = req.context.get("problem")
        if reason is not None and req.method == "POST" and req.path in SUBMITS:
            self.metrics.refused(reason)
