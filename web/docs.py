"""`GET /api/openapi.json` and `GET /docs`: the API described, for machines and for people."""

import hashlib
import re
from typing import Any, Final

import falcon.asgi
import msgspec

from callboard.service import Service
from web import query
from web.openapi.document import Schema, build
from web.openapi.reference import reference
from web.problems import MEDIA_TYPE
from web.site import Site
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: What a client may call us to be repeated in a command for a shell.
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


def describe(service: Service) -> Schema:
    """Return the OpenAPI document of this installation."""
    access = service.access
    return build(service.task_types(), cookie=access.cookie, auth_required=access.required)


class OpenApi:
    """`GET /api/openapi.json`."""

    def __init__(self, document: Schema) -> None:
        self._data: Final = msgspec.json.encode(document)
        self._tag: Final = f'"{hashlib.sha256(self._data).hexdigest()[:32]}"'

    async def on_get(self, req: Request, resp: Response) -> None:
        """Send the OpenAPI 3.1 document."""
        query.only(req, ())
        resp.set_header("ETag", self._tag)
        resp.set_header("Cache-Control", "no-cache")
        if query.none_match(req, self._tag):
            resp.status = 304
            return
        answer(resp, self._data)


class DocsPage:
    """`GET /docs`."""

    def __init__(self, site: Site, document: Schema, auth_required: bool) -> None:
        self._site = site
        self._document = document
        self._auth_required = auth_required

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show every address, with commands that ask this very host."""
        host = req.get_header("Host") or ""
        base = f"{req.scheme}://{host if _HOST.fullmatch(host) else '127.0.0.1:5000'}"
        groups = reference(self._document, base, self._auth_required)
        self._site.send(req, resp, "docs.html", groups=groups, problems=_problems(self._document))


def _problems(document: Schema) -> list[dict[str, Any]]:
    """Return every kind of problem once, by status."""
    found = {
        example["value"]["type"]: example["value"]
        for response in document["components"]["responses"].values()
        for example in response["content"][MEDIA_TYPE]["examples"].values()
    }
    return sorted(found.values(), key=lambda each: (each["status"], each["type"]))
