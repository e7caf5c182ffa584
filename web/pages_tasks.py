"""Pages about tasks: the list, one task, several side by side; static/*.js go on from what they render."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import falcon
import falcon.asgi
import msgspec

from callboard.board import Board
from callboard.errors import TaskNotFound, Unavailable, ValidationFailed
from callboard.service import Service
from callboard.store.pages import Page
from callboard.tasks.ids import is_task_id
from callboard.tasks.record import view
from callboard.tasks.states import Priority, State
from web import query
from web.pages import trouble
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Tasks on one page of the list; static/tasks.js has the same number.
ROWS: Final = 50
#: Tasks one page shows side by side; static/observe.js has the same number.
OBSERVED: Final = 24

FILTERS: Final = tuple(name for name in query.LIST_NAMES if name not in ("limit", "cursor"))


@dataclass(frozen=True, slots=True)
class Address:
    """The filters of the list as they stand in its address; static/filters.js does the same."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, req: Request) -> "Address":
        """Read them from a request."""
        return cls(tuple((name, value) for name in FILTERS for value in query.many(req, name)))

    def has(self, name: str, value: str) -> bool:
        """Tell whether a value is chosen."""
        return (name, value) in self.pairs

    def toggled(self, name: str, value: str) -> str:
        """Return the address with the value chosen, or not chosen any more."""
        pairs = tuple(pair for pair in self.pairs if pair != (name, value))
        return self._address(pairs if self.has(name, value) else (*pairs, (name, value)))

    def with_cursor(self, cursor: str | None) -> str:
        """Return the address of a page of the list; None: the newest."""
        return self._address((*self.pairs, ("cursor", cursor)) if cursor else self.pairs)

    def _address(self, pairs: tuple[tuple[str, str], ...]) -> str:
        return "/tasks?" + urlencode(pairs) if pairs else "/tasks"


class TaskList:
    """`GET /tasks`: tasks by filter, newest first."""

    def __init__(self, site: Site, service: Service) -> None:
        self._site = site
        self._service = service

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show one page of them; a filter that cannot be used is shown with what is wrong."""
        by_queue = self._service.types_by_queue()
        address = Address.of(req)
        values: dict[str, Any] = {
            "address": address,
            "cursor": req.params.get("cursor"),
            "states": [state.value for state in State],
            "choices": {
                "type": sorted(each.name for each in self._service.task_types()),
                "priority": [each.value for each in Priority],
                "queue": sorted(by_queue),
            },
            "problem": "",
        }
        page, status = Page(), 200
        try:
            query.only(req, query.LIST_NAMES)
            wanted = query.page_filter(req)
            page = await self._service.board.page(
                wanted, query.page_limit(req, ROWS), query.one(req, "cursor")
            )
        except ValidationFailed as error:
            values["problem"], status = _words(error), 422
        except Unavailable as error:
            values["trouble"] = trouble(error)
        values |= {"tasks": [_row(view(each)) for each in page.tasks], "next": page.next}
        self._site.send(req, resp, "tasks.html", status, **values)


def _words(error: ValidationFailed) -> str:
    return "; ".join(f"{each.pointer.lstrip('/')} {each.detail}" for each in error.problems)


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


def _row(task: dict[str, Any]) -> dict[str, Any]:
    error = msgspec.json.decode(task["error"], type=_Error | None)
    why = f"{error.type}: {error.message}"[:200] if error else ""
    return {**task, "brief": _text(task["parameters"], 200), "why": why}


def _text(raw: Any, most: int) -> str:
    """Return the beginning of a JSON text."""
    data = bytes(raw)
    return data[:most].decode("utf-8", "ignore") + ("…" if len(data) > most else "")


class TaskPage:
    """`GET /tasks/{id}`: everything about one task."""

    def __init__(self, site: Site, service: Service) -> None:
        self._site = site
        self._service = service

    async def on_get(self, req: Request, resp: Response, task_id: str) -> None:
        """Show the page; an id that leads nowhere gets one that says what to do."""
        lowered = task_id.strip().lower()
        if not is_task_id(lowered):
            self._site.send(req, resp, "missing.html", 404, kind="malformed", text=task_id[:200])
            return
        if lowered != task_id:
            raise falcon.HTTPMovedPermanently(f"/tasks/{lowered}")
        try:
            task = view(await self._service.board.get(task_id))
        except TaskNotFound:
            days = self._service.settings.result_ttl / 86400
            self._site.send(req, resp, "missing.html", 404, kind="unknown", text=task_id, days=days)
            return
        except Unavailable as error:
            self._site.send(req, resp, "task_later.html", 503, task_id=task_id, trouble=trouble(error))
            return
        texts = {name: _text(task[name], 4000) for name in ("parameters", "result", "error")}
        self._site.send(req, resp, "task.html", task=task, texts=texts)


class Observe:
    """`GET /observe?id=…&id=…`: several tasks side by side."""

    def __init__(self, site: Site, board: Board) -> None:
        self._site = site
        self._board = board

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show a card for each id; static/observe.js makes them live."""
        ids = list(dict.fromkeys(each.strip().lower() for each in query.many(req, "id")))
        cards: list[dict[str, Any]] = []
        values: dict[str, Any] = {"cards": cards, "wrong": [each for each in ids if not is_task_id(each)]}
        for task_id in [each for each in ids if is_task_id(each)][:OBSERVED]:
            try:
                cards.append({"id": task_id, "task": view(await self._board.get(task_id))})
            except TaskNotFound:
                cards.append({"id": task_id, "task": None})
            except Unavailable as error:
                cards.append({"id": task_id, "task": None})
                values["trouble"] = trouble(error)
        self._site.send(req, resp, "observe.html", **values)


class Missing:
    """Any other address: a page for people; programs get the problem that Falcon makes."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, req: Request, resp: Response | None, ws: Any = None, **_rest: Any) -> None:
        """Answer 404; a WebSocket (`ws`, by which Falcon sees that we know of them) has no answer."""
        if (
            resp is None
            or req.method not in ("GET", "HEAD")
            or "text/html" not in (req.get_header("Accept") or "")
        ):
            raise falcon.HTTPNotFound
        self._site.send(req, resp, "missing.html", 404, kind="address", text=req.path[:200])
