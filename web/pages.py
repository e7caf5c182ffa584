"""The web page at `/` and the files it is made of, read once at the start."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import falcon
import falcon.asgi

from web import query

Request = falcon.asgi.Request
Response = falcon.asgi.Response

HERE: Final = Path(__file__).parent

#: Nothing inline, nothing from other hosts.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    content_type: str
    tag: str

    def send(self, req: Request, resp: Response) -> None:
        """Answer with the file, or with 304 when the browser has this very one."""
        resp.set_header("ETag", self.tag)
        resp.set_header("Cache-Control", "no-cache")
        resp.set_header("X-Content-Type-Options", "nosniff")
        if query.none_match(req, self.tag):
            resp.status = 304
            return
        resp.content_type = self.content_type
        resp.data = self.data


def _read(path: Path) -> _File:
    data = path.read_bytes()
    return _File(data, _TYPES[path.suffix], f'"{hashlib.sha256(data).hexdigest()[:32]}"')


class Home:
    """`GET /`: submit any task type from its schema and see the result."""

    def __init__(self) -> None:
        self._page = _read(HERE / "templates" / "home.html")

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the page."""
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("Referrer-Policy", "no-referrer")
        self._page.send(req, resp)


class Static:
    """`GET /static/{name}`: the page's scripts and styles; no other file can be named."""

    def __init__(self) -> None:
        self._files = {
            path.name: _read(path) for path in (HERE / "static").iterdir() if path.suffix in _TYPES
        }

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Send one file."""
        if name not in self._files:
            raise falcon.HTTPNotFound
        self._files[name].send(req, resp)
