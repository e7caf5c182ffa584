"""Around Falcon: a body that was cut off on its way is an error and never taken for a shorter one.

Falcon reads "the client is gone" as the end of the body. A chunked body that breaks off, or whose rest
never comes, could so be a valid request by accident: the client is told 400 and the task runs.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from web import problems

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]


class BodyCut(problems.RequestProblem):
    """The connection broke, or nothing came for too long, before the end of the body."""

    def __init__(self) -> None:
        super().__init__("incomplete-body", "the body broke off before its end; send the request again")


class WholeBodies:
    """An ASGI application around another one; `receive` raises BodyCut for a body without an end.

    `on_cut` is told the scope and the status of a request that ends here.
    """

    def __init__(self, app: App, on_cut: Callable[[Event, int], None] = lambda _scope, _status: None) -> None:
        self._app = app
        self._on_cut = on_cut

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Run one request, WebSocket or lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ended = False

        async def checked() -> Event:
            nonlocal ended
            event = await receive()
            if event["type"] == "http.request":
                ended = not event.get("more_body", False)
            elif not ended:
                raise BodyCut
            return event

        try:
            await self._app(scope, checked, send)
        except BodyCut as error:  # nothing at all came of the body: Falcon has not begun
            status, body = problems.rendered(error)
            headers = [
                (b"content-type", problems.MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            self._on_cut(scope, status)
