"""`GET /healthz`, `/readyz` and `/api/health`: does the process live, can it serve, what is wrong."""

from typing import Any

import falcon.asgi

from callboard.health.problem import view
from callboard.health.watch import Health
from callboard.service import Service
from web import query
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class Problems:
    """`GET /api/health`."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show what is wrong and what to do about it; always 200, whatever is down."""
        query.only(req, ())
        resp.set_header("Cache-Control", "no-cache")
        answer(resp, view(await self._health.report()))


class Live:
    """`GET /healthz`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Say that the process lives."""
        answer(resp, {"status": "ok"})


class Ready:
    """`GET /readyz`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_get(self, req: Request, resp: Response) -> None:
        """Say whether RabbitMQ and Redis answer; 503 names which does not and why."""
        problems = await self._service.problems()
        found: dict[str, Any] = {
            name: {"ok": name not in problems, **({"problem": problems[name]} if name in problems else {})}
            for name in ("rabbitmq", "redis")
        }
        found["status"] = "unavailable" if problems else "ready"
        if problems:
            resp.set_header("Retry-After", "2")
        answer(resp, found, 503 if problems else 200)
