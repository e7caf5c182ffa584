"""The web page at `/`."""

from pathlib import Path
from typing import Final

import falcon.asgi

HOME: Final = Path(__file__).parent / "templates" / "home.html"

#: Nothing inline, nothing from other hosts.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Home:
    """`GET /`: submit any task type from its schema and see the result."""

    def __init__(self) -> None:
        self._page = HOME.read_bytes()

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Show the page."""
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Referrer-Policy", "no-referrer")
        resp.set_header("Cache-Control", "no-cache")
        resp.data = self._page
