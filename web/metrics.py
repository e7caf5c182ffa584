"""`GET /metrics`, and what every request adds to it and, if that is wanted, to the log."""

import asyncio
import logging
import time
from typing import Any, Final

import falcon.asgi

from callboard.metrics.web import WebMetrics
from callboard.service import Service

logger = logging.getLogger("callboard.access")

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Where tasks are submitted: a POST that ends there with a problem is a refused task.
SUBMITS: Final = frozenset({"/api/tasks", "/api/tasks/batch"})


#: Characters of an address that are logged.
PATH_MOST: Final = 300


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
    #: Whether each request is a line of the log.
    logs = False

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
        if self.logs:
            _log(req, resp, seconds)

    def cut(self, scope: dict[str, Any], status: int) -> None:
        """Count a request of whose body nothing came: it has got no further than whole.py."""
        submits = scope["method"] == "POST" and scope["path"] in SUBMITS
        self.metrics.answered(scope["method"], scope["path"] if submits else None, status, 0.0)
        if submits:
            self.metrics.refused("incomplete-body")


def _log(req: Request, resp: Response, seconds: float) -> None:
    """Write the access log's line; never the query or the body: they may hold what is nobody's business."""
    who = req.context.get("principal")
    fields = {
        "method": req.method,
        "path": req.path[:PATH_MOST],
        "route": req.uri_template,
        "status": resp.status_code,
        "duration_ms": round(seconds * 1000, 2),
        "client": req.remote_addr,
        "key": who.name if who is not None else None,
    }
    logger.info("%s %s %d", req.method, fields["path"], resp.status_code, extra={"fields": fields})
