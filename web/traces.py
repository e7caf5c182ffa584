"""The span of every HTTP request, when CALLBOARD_TRACES is on; else this is no part of the application."""

from typing import Any, Final

import falcon.asgi

from callboard.traces import Traces

#: What is asked for all the time and says nothing.
QUIET: Final = ("/static/", "/healthz", "/readyz", "/metrics")


class TraceRequests:
    """The middleware, after the one that gives the request its id."""

    #: Set once the service is there.
    traces: Traces

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Begin the span."""
        if not req.path.startswith(QUIET):
            headers = {name: req.get_header(name) or "" for name in ("traceparent", "tracestate")}
            req.context.traced = self.traces.request(req.method, req.path, headers)

    async def process_response(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, resource: Any, succeeded: bool
    ) -> None:
        """End it; what a stream sends afterwards is not part of it."""
        if (traced := req.context.get("traced")) is not None:
            request_id = req.context.get("request_id") or ""
            traced.end(req.method, req.uri_template, resp.status_code, request_id)
