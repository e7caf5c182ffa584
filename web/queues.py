"""`/api/queues`: what waits, and pause, resume, purge."""

from typing import Any, Final

import falcon.asgi

from callboard.flow import MINUTES_MOST
from callboard.queues import Queues
from callboard.store.operations import view
from web import query
from web.body import read_json
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response

_EXPECT: Final = (
    'is required: the number of tasks you believe to cancel, as {"expect": 12}; GET /api/queues tells it'
)


def _minutes(req: Request) -> int:
    query.only(req, ("minutes",))
    return query.whole(req, "minutes", 0, MINUTES_MOST)


class AllQueues:
    """`GET /api/queues`."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show what waits in every queue, how fast it moves and who serves it; `?minutes=` with a history."""
        answer(resp, {"queues": await self._queues.all(_minutes(req))})


class Queue:
    """`GET /api/queues/{name}`."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Show one queue."""
        answer(resp, await self._queues.one(name, _minutes(req)))


class Pause:
    """`POST /api/queues/{name}/pause`."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Start nothing more of a queue; a paused one stays as it is."""
        query.only(req, ())
        answer(resp, await self._queues.pause(name))


class Resume:
    """`POST /api/queues/{name}/resume`."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Start a queue's tasks again; one that is not paused stays as it is."""
        query.only(req, ())
        answer(resp, await self._queues.resume(name))


class Purge:
    """`POST /api/queues/{name}/purge`."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Begin to cancel every task that waits in a queue, as an operation."""
        query.only(req, ())
        body: Any = await read_json(req) if req.content_length or req.get_header("Transfer-Encoding") else {}
        if isinstance(body, dict) and "expect" not in body:
            raise query.refuse("expect", _EXPECT)
        begun = await self._queues.purge(name, body)
        resp.set_header("Location", f"/api/operations/{begun.operation_id}")
        answer(resp, view(begun), 202)
