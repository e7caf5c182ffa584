"""Behind a proxy of ours (CALLBOARD_PROXIES) the client is who the proxy says it is.

For the audit trail, the log, and the limit of streams per client.
"""

from callboard.access.networks import Networks, client_of
from web.whole import App, Event, Receive, Send


class Forwarded:
    """An ASGI application around another one."""

    def __init__(self, app: App, proxies: Networks) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Run one request, WebSocket or lifespan."""
        if scope.get("client"):
            values = [
                value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
            ]
            if values:
                peer, port = scope["client"]
                scope["client"] = (client_of(peer, values, self._proxies), port)
        await self._app(scope, receive, send)
