"""The pages for people; each is rendered with what is known now, and modules of static/ go on from there."""

import asyncio
from typing import Any, Final

import falcon.asgi

from callboard.board import Board
from callboard.errors import Unavailable
from callboard.health.problem import view as problems_view
from callboard.health.watch import Health
from callboard.store.pages import Filter
from callboard.tasks.record import view
from callboard.tasks.states import State
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Tasks on the first page; static/newest.js has the same number.
NEWEST: Final = 15


def trouble(error: Unavailable) -> str:
    """Return what a page says when it cannot be filled."""
    return f"Callboard is not ready: {str(error).rstrip('.')}. Trying again…"


class Home:
    """`GET /`: counts, charts, the newest tasks, and a form for any task type."""

    def __init__(self, site: Site, board: Board, health: Health) -> None:
        self._site = site
        self._board = board
        self._health = health

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the page, also when there is nothing to fill it with."""
        values: dict[str, Any] = {"counts": {state.value: None for state in State}, "tasks": []}
        report = asyncio.ensure_future(self._health.report())
        try:
            counts, page = await asyncio.gather(
                self._board.counts(), self._board.page(Filter(), NEWEST, None)
            )
            values = {"counts": counts, "tasks": [view(each) for each in page.tasks]}
        except Unavailable as error:
            values["trouble"] = trouble(error)
        problems = problems_view(await report)["problems"]
        self._site.send(req, resp, "home.html", problems=problems, **values)
