"""Pages about the installation: what fails, the queues, the workers; static/*.js read them again."""

from collections.abc import Awaitable
from typing import Any

import falcon.asgi

from callboard.errors import Unavailable
from callboard.service import Service
from web import discovery
from web.pages import trouble
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class _Page:
    def __init__(self, site: Site, service: Service) -> None:
        self._site = site
        self._service = service

    async def _send(self, req: Request, resp: Response, name: str, found: Awaitable[Any]) -> None:
        values: dict[str, Any] = {"found": None}
        try:
            values["found"] = await found
        except Unavailable as error:
            values["trouble"] = trouble(error)
        self._site.send(req, resp, name, **values)


class Failed(_Page):
    """`GET /failed`: what fails, by task type and error."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the groups."""
        await self._send(req, resp, "failed.html", self._service.dead_letters.summary())


class QueuesPage(_Page):
    """`GET /queues`: what waits, and who serves it."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show every queue."""
        await self._send(req, resp, "queues.html", self._service.queues.all())


class WorkersPage(_Page):
    """`GET /workers`: the processes that run tasks."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show every worker."""
        await self._send(req, resp, "workers.html", discovery.workers_of(self._service))
