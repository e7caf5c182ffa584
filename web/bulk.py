"""`/api/tasks/bulk`, `/api/operations` and `/api/dead-letters`: one order for many tasks, and what failed."""

from typing import Any

import falcon.asgi
import msgspec

from callboard.access.access import Access
from callboard.board import WAIT_MOST_S
from callboard.bulk import Bulk, order_of
from callboard.dead_letters import DeadLetters
from callboard.store.operations import view
from callboard.tasks.ids import is_task_id
from web import query
from web.body import read_json
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response


def _dry_run(req: Request) -> bool:
    given = query.one(req, "dry_run")
    if given not in (None, "true", "false"):
        raise query.refuse("dry_run", f"{given[:40]!r} is neither true nor false")
    return given == "true"


def _id(text: str) -> str:
    lowered = text.lower()
    if not is_task_id(lowered):
        raise query.refuse("operation_id", f"{text[:60]!r} is no operation id; ids are UUIDs")
    return lowered


class BulkOrders:
    """`POST /api/tasks/bulk`."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    async def on_post(self, req: Request, resp: Response) -> None:
        """Begin to retry, cancel or delete every task that fits a filter; a dry run counts them."""
        query.only(req, ("dry_run",))
        dry_run = _dry_run(req)
        order = order_of(await read_json(req))
        counts_only = dry_run or order.dry_run
        req.context["target"] = f"{order.action.value} {order.filter_json.decode()[:300]}"
        if counts_only:
            req.context["unchanged"] = True  # counting is no entry of the audit trail
            counted: dict[str, Any] = {
                "action": order.action.value,
                "filter": msgspec.Raw(order.filter_json),
                "matched": await self._bulk.count(order.wanted),
                "dry_run": True,
            }
            answer(resp, counted)
            return
        begun = await self._bulk.begin(order)
        resp.set_header("Location", f"/api/operations/{begun.operation_id}")
        answer(resp, view(begun), 202)


class Operations:
    """`GET /api/operations`."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the newest 50, newest first."""
        query.only(req, ())
        answer(resp, {"operations": [view(each) for each in await self._bulk.newest()]})


class Operation:
    """`GET /api/operations/{id}`."""

    def __init__(self, bulk: Bulk, access: Access) -> None:
        self._bulk = bulk
        self._access = access

    async def on_get(self, req: Request, resp: Response, operation_id: str) -> None:
        """Show how far one is; `?wait=` holds the answer until it has ended."""
        query.only(req, ("wait",))
        wait_s = query.seconds(req, "wait", WAIT_MOST_S)
        resp.set_header("Cache-Control", "no-cache")
        looking = self._bulk.wait(_id(operation_id), wait_s)
        found = await self._access.holds.until_ended(req.context.principal, looking)
        if found is not None:  # else guard.py answers who may not read it any more
            answer(resp, view(found))


class CancelOperation:
    """`POST /api/operations/{id}/cancel`."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    async def on_post(self, req: Request, resp: Response, operation_id: str) -> None:
        """Stop one that runs; what it has done stays done."""
        query.only(req, ())
        answer(resp, view(await self._bulk.cancel(_id(operation_id))))


class DeadLetterGroups:
    """`GET /api/dead-letters`."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show what fails, by task type and type of error, with the newest example of each."""
        query.only(req, ("type",))
        answer(resp, await self._dead_letters.summary(query.many(req, "type")))
