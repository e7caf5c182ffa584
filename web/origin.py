"""A page of another site must not change anything here through a visitor's browser.

Browsers name the page that a request comes from; curl and other programs do not, and pass.
"""

from typing import Final

import falcon.asgi

from web.problems import RequestProblem

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Methods that change nothing (RFC 9110, section 9.2.1).
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def same_origin(req: Request) -> bool:
    """Tell whether a browser's request comes from our own page; other clients send no Origin."""
    origin = req.get_header("Origin")
    host = req.get_header("Host")
    return origin is None or origin in (f"http://{host}", f"https://{host}")


class OriginCheck:
    """Refuses every request that may change something and comes from a page of another site."""

    async def process_request(self, req: Request, resp: Response) -> None:
        """Raise RequestProblem for such a request, before any of its body is read."""
        if req.method in SAFE:
            return
        if not same_origin(req) or req.get_header("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise RequestProblem("forbidden", "the request comes from a page of another site")
