"""`/api/tasks`: submit, batch, read, list, cancel, retry, delete, logs."""

import asyncio
import hashlib
import re
from typing import Any, Final

import falcon.asgi
import msgspec

from callboard.access.access import Access
from callboard.access.principal import Principal
from callboard.board import WAIT_MOST_S, Board
from callboard.errors import CallboardError, TaskNotFound, Unavailable
from callboard.metrics.web import WebMetrics
from callboard.store.calls import Idempotency
from callboard.submit import Submitted, Submitter
from callboard.tasks.record import TaskRecord, view
from callboard.tasks.times import to_rfc3339
from web import query
from web.body import BATCH_MOST, BODY_MOST, Parsed, decode, parse, read_bytes
from web.problems import body_of, code_of
from web.quota import Charge

BATCH_TASKS: Final = 1_000

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_encode: Final = msgspec.json.Encoder().encode

Request = falcon.asgi.Request
Response = falcon.asgi.Response


def answer(resp: Response, value: Any, status: int = 200) -> None:
    """Answer with JSON."""
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = value if isinstance(value, bytes) else _encode(value)


def idempotency_key(req: Request) -> str | None:
    """Return the Idempotency-Key header, each API key having its own; raises ValidationFailed."""
    key = req.get_header("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise query.refuse("Idempotency-Key", "takes 1 to 255 visible ASCII characters without blanks")
    who: Principal | None = req.context.get("principal")
    return f"{who.key_id}/{key}" if who is not None and who.key_id else key


def idempotency_of(key: str | None, body: bytes, record: TaskRecord) -> Idempotency | None:
    """Return what is kept of the first request with an Idempotency-Key."""
    if key is None:
        return None
    return Idempotency(key, hashlib.sha256(body).hexdigest(), _encode(view(record)))


class Tasks:
    """`POST /api/tasks` and `GET /api/tasks`."""

    def __init__(self, submitter: Submitter, board: Board, access: Access) -> None:
        self._submitter = submitter
        self._board = board
        self._access = access

    async def on_post(self, req: Request, resp: Response) -> None:
        """Submit one task."""
        query.only(req, ())
        key = idempotency_key(req)
        body = await read_bytes(req, BODY_MOST)
        record = self._submitter.validate(decode(body))
        async with Charge(self._access, req, resp, 1) as charge:
            done = await self._submitter.submit(record, idempotency_of(key, body, record), charge.by)
            charge.unused = int(done.record is None)
        req.context["target"] = done.task_id
        resp.set_header("Location", f"/api/tasks/{done.task_id}")
        if done.record is None:
            resp.set_header("Idempotency-Replayed", "true")
        wait = query.preferred_wait(req)
        if wait is not None:
            resp.set_header("Preference-Applied", f"wait={min(wait, WAIT_MOST_S):g}")
            ended = await self._ended(req.context.principal, done.task_id, wait)
            if ended is not None:
                answer(resp, view(ended))
                return
        answer(resp, first_answer(done), 202)

    async def _ended(self, who: Principal, task_id: str, wait: float) -> TaskRecord | None:
        try:
            record = await self._access.holds.until_ended(who, self._board.wait(task_id, wait))
        except (Unavailable, TaskNotFound):  # it is accepted, and that is what the client must hear
            return None
        return record if record is not None and record.terminal else None

    async def on_get(self, req: Request, resp: Response) -> None:
        """List tasks, newest first."""
        query.only(req, query.LIST_NAMES)
        page = await self._board.page(query.page_filter(req), query.page_limit(req), query.one(req, "cursor"))
        answer(resp, {"tasks": [view(each) for each in page.tasks], "next": page.next})


def first_answer(done: Submitted) -> Any:
    """Return what the client sees of a task that was accepted; for a repeated request, the first answer."""
    return msgspec.Raw(done.replayed) if done.record is None else view(done.record)


class Batch:
    """`POST /api/tasks/batch`."""

    def __init__(self, submitter: Submitter, access: Access, metrics: WebMetrics) -> None:
        self._submitter = submitter
        self._access = access
        self._metrics = metrics

    async def on_post(self, req: Request, resp: Response) -> None:
        """Submit up to 1,000 tasks; each succeeds or fails by itself."""
        query.only(req, ())
        key = idempotency_key(req)
        items = _items(parsed := parse(await read_bytes(req, BATCH_MOST)))
        # Keys have no blanks, so no key of a single submit is ever the same as an item's.
        keys = [f"{key} {number}" if key else None for number in range(len(items))]
        async with Charge(self._access, req, resp, len(items)) as charge:
            done = await asyncio.gather(
                *(self._one(parsed, item, each, charge.by) for item, each in zip(items, keys, strict=True))
            )
            accepted = [each for each in done if isinstance(each, Submitted)]
            charge.unused = len(items) - sum(each.record is not None for each in accepted)
        if accepted:
            first, last = accepted[0].task_id, accepted[-1].task_id
            req.context["target"] = f"{len(accepted)} tasks, {first} to {last}"
        if accepted and all(each.record is None for each in accepted):
            resp.set_header("Idempotency-Replayed", "true")
        answer(resp, {"tasks": [_entry(each) for each in done]}, 207)

    async def _one(self, parsed: Parsed, item: Any, key: str | None, by: str) -> Submitted | CallboardError:
        try:
            parsed.check(item)
            record = self._submitter.validate(item)
            idempotency = idempotency_of(key, _encode(item), record) if key else None
            return await self._submitter.submit(record, idempotency, by)
        except CallboardError as error:
            self._metrics.refused(code_of(error))
            return error


def _items(parsed: Parsed) -> list[Any]:
    """Return the items of a batch, each still to be checked; raises ValidationFailed, RequestProblem."""
    body = parsed.value
    parsed.check({**body, "tasks": None} if isinstance(body, dict) else body)
    items = body.get("tasks") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(items, list):
        raise query.refuse("tasks", 'is required: send {"tasks": [ … ]}')
    if unknown := sorted(set(body) - {"tasks"}):
        raise query.refuse(unknown[0], "is not a known field; check its spelling")
    if not 1 <= len(items) <= BATCH_TASKS:
        raise query.refuse("tasks", f"takes 1 to {BATCH_TASKS} tasks, not {len(items)}")
    return items


def _entry(done: Submitted | CallboardError) -> dict[str, Any]:
    if isinstance(done, CallboardError):
        status, problem = body_of(done)
        return {"status": status, "error": problem}
    return {"status": 202, "task": first_answer(done)}


class Task:
    """`GET` and `DELETE /api/tasks/{id}`."""

    def __init__(self, board: Board, access: Access) -> None:
        self._board = board
        self._access = access

    async def on_get(self, req: Request, resp: Response, task_id: str) -> None:
        """Show one task; `?wait=` holds the answer until it has ended."""
        query.only(req, ("wait",))
        wait_s = query.seconds(req, "wait", WAIT_MOST_S)
        looking = self._board.wait(query.task_id(task_id), wait_s)
        record = await (self._access.holds.until_ended(req.context.principal, looking) if wait_s else looking)
        if record is None:
            return  # guard.py answers who may not read it any more
        tag = f'"{record.version}"'
        resp.set_header("ETag", tag)
        resp.set_header("Cache-Control", "no-cache")
        if query.none_match(req, tag):
            resp.status = 304
            return
        answer(resp, view(record))

    async def on_delete(self, req: Request, resp: Response, task_id: str) -> None:
        """Forget a finished task."""
        query.only(req, ())
        await self._board.delete(query.task_id(task_id))
        resp.status = 204


class Cancel:
    """`POST /api/tasks/{id}/cancel`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def on_post(self, req: Request, resp: Response, task_id: str) -> None:
        """Cancel; a running task is asked to stop (202), any other is cancelled at once (200)."""
        query.only(req, ())
        record = await self._board.cancel(query.task_id(task_id))
        answer(resp, view(record), 200 if record.terminal else 202)


class Retry:
    """`POST /api/tasks/{id}/retry`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def on_post(self, req: Request, resp: Response, task_id: str) -> None:
        """Run a failed or cancelled task again under the same id."""
        query.only(req, ())
        record = await self._board.retry(query.task_id(task_id))
        resp.set_header("Location", f"/api/tasks/{record.task_id}")
        answer(resp, view(record), 202)


class Logs:
    """`GET /api/tasks/{id}/logs`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def on_get(self, req: Request, resp: Response, task_id: str) -> None:
        """Show what the task logged, by attempt."""
        query.only(req, ())
        lines = await self._board.logs(query.task_id(task_id))
        attempts: dict[int, list[dict[str, Any]]] = {}
        for line in lines:
            entry = {"seq": line["version"], "at": to_rfc3339(line["at_ms"])}
            entry |= {"level": line["level"], "message": line["message"]}
            attempts.setdefault(line["attempt"], []).append(entry)
        found = [{"attempt": number, "lines": each} for number, each in sorted(attempts.items())]
        answer(resp, {"task_id": query.task_id(task_id), "attempts": found})
