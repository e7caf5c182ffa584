"""Watching: server-sent events and WebSocket, per task and for all (contract.md, Live)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import SSEvent

from callboard.board import Board
from callboard.errors import TaskNotFound, Unavailable, ValidationFailed
from callboard.live.feed import Feed, FeedEnded, LookAgain
from callboard.live.follow import Gap
from callboard.store.pages import Filter
from callboard.tasks import events
from callboard.tasks.events import Event
from web import query
from web.origin import same_origin
from web.problems import RequestProblem

Request = falcon.asgi.Request
Response = falcon.asgi.Response
WebSocket = falcon.asgi.WebSocket

#: Seconds without an event until a comment shows that the stream lives.
HEARTBEAT_S: Final = 15.0
#: Milliseconds a browser waits before it connects again.
RECONNECT_MS: Final = 2_000
#: Seconds in which the updates of one task are made one, for dashboards.
COALESCE_S: Final = 0.1
#: Open streams of one client address.
PER_CLIENT: Final = 4_096

NOT_FOUND: Final = 4404
FORBIDDEN_ORIGIN: Final = 4403
TRY_AGAIN: Final = 1013
GOING_AWAY: Final = 1001


class Limits:
    """Counts the open streams of each client."""

    def __init__(self, per_client: int = PER_CLIENT) -> None:
        self._per_client = per_client
        self._open: Counter[str] = Counter()

    def check(self, client: str) -> None:
        """Raise RequestProblem when the client has too many."""
        if self._open[client] >= self._per_client:
            raise RequestProblem("too-many-streams", f"one client may have {self._per_client} open streams")

    @contextmanager
    def one_more(self, client: str) -> Iterator[None]:
        """Hold a place inside the block."""
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


def _message(item: Event | Gap) -> dict[str, Any]:
    if isinstance(item, Gap):
        return {"task_id": item.task_id, "kind": "gap", "first": item.first, "last": item.last}
    return events.view(item)


def _after(req: Request | Any, header: str | None) -> int:
    text = header if header is not None else query.one(req, "after")
    if text is None or text == "":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        name = "Last-Event-ID" if header is not None else "after"
        raise query.refuse(name, f"{text[:40]!r} is no event number of this stream")
    return int(text)


class TaskEvents:
    """`GET /api/tasks/{id}/events`."""

    def __init__(self, board: Board, limits: Limits) -> None:
        self._board = board
        self._limits = limits

    async def on_get(self, req: Request, resp: Response, task_id: str) -> None:
        """Replay from the start or after Last-Event-ID, go on live, end with the task."""
        query.only(req, ("after",))
        task = query.task_id(task_id)
        after = _after(req, req.get_header("Last-Event-ID"))
        self._limits.check(req.remote_addr)
        await self._board.get(task)  # a 404 or 503 is still possible here
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Accel-Buffering", "no")
        resp.sse = self._stream(req, task, after)

    async def _stream(self, req: Request, task: str, after: int) -> AsyncIterator[SSEvent]:
        with self._limits.one_more(req.remote_addr):
            yield SSEvent(retry=RECONNECT_MS, comment="callboard")
            try:
                async for item in _with_heartbeats(self._board.follow(task, after)):
                    yield _sse(item)
            except (FeedEnded, Unavailable, TaskNotFound):
                return  # the client connects again and goes on after its last event


def _sse(item: Event | Gap | None) -> SSEvent:
    if item is None:
        return SSEvent(comment="still here")
    text = msgspec.json.encode(_message(item)).decode()
    if isinstance(item, Gap):
        return SSEvent(text=text, event="gap", event_id=str(item.last))
    return SSEvent(text=text, event=item.kind, event_id=str(item.version))


async def _with_heartbeats(source: AsyncIterator[Event | Gap]) -> AsyncIterator[Event | Gap | None]:
    """Yield the items, and None whenever nothing came for HEARTBEAT_S."""
    iterator = source.__aiter__()
    pending: asyncio.Future[Event | Gap] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(iterator.__anext__())
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if not done:
                yield None
                continue
            finished, pending = pending, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        await iterator.aclose()  # type: ignore[attr-defined]


class AllEvents:
    """`GET /api/events`: every task's state and progress, for dashboards."""

    def __init__(self, board: Board, types_by_queue: dict[str, list[str]], limits: Limits) -> None:
        self._board = board
        self._types_by_queue = types_by_queue
        self._limits = limits

    async def on_get(self, req: Request, resp: Response) -> None:
        """Stream from now on, each task at most 10 times a second."""
        query.only(req, [name for name in query.LIST_NAMES if name not in ("limit", "cursor", "tag")])
        wanted = query.page_filter(req)
        self._limits.check(req.remote_addr)
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Accel-Buffering", "no")
        resp.sse = self._stream(req, wanted)

    async def _stream(self, req: Request, wanted: Filter) -> AsyncIterator[SSEvent]:
        with self._limits.one_more(req.remote_addr), self._board.hub.watch() as feed:
            yield SSEvent(retry=RECONNECT_MS, comment="callboard")
            try:
                await feed.subscribed()
                while True:
                    changed = await self._changes(feed, wanted)
                    if not changed:
                        yield SSEvent(comment="still here")
                    for event in changed:
                        message = events.view(event)
                        message |= {"task_type": event.task_type, "priority": event.priority}
                        yield SSEvent(text=msgspec.json.encode(message).decode(), event=event.kind)
            except FeedEnded:
                return

    async def _changes(self, feed: Feed, wanted: Filter) -> list[Event]:
        """Return the last change of each task in COALESCE_S; empty after HEARTBEAT_S of silence."""
        latest: dict[str, Event] = {}
        end = time.monotonic() + HEARTBEAT_S
        try:
            while (left := end - time.monotonic()) > 0:
                async with asyncio.timeout(left):
                    event = await _next(feed)
                if event is None or event.kind == "log" or not self._passes(event, wanted):
                    continue
                if not latest:
                    end = time.monotonic() + COALESCE_S
                earlier = latest.pop(event.task_id, None)
                if earlier is not None and earlier.kind == "state" and event.kind != "state":
                    event = msgspec.structs.replace(event, kind="state")  # a state is never hidden
                latest[event.task_id] = event
        except TimeoutError:
            pass
        return list(latest.values())

    def _passes(self, event: Event, wanted: Filter) -> bool:
        queues = [queue for queue, types in self._types_by_queue.items() if event.task_type in types]
        return (
            (not wanted.status or event.status in wanted.status)
            and (not wanted.types or event.task_type in wanted.types)
            and (not wanted.priority or event.priority in wanted.priority)
            and (not wanted.queue or any(queue in wanted.queue for queue in queues))
        )


async def _next(feed: Feed) -> Event | None:
    try:
        return await feed.next()
    except LookAgain:
        return None


class TaskSocket:
    """`WS /ws/tasks/{id}`."""

    def __init__(self, board: Board, limits: Limits) -> None:
        self._board = board
        self._limits = limits

    async def on_websocket(self, req: Request, ws: WebSocket, task_id: str) -> None:
        """Send the current state first, then updates; `?after=` resumes; 1000 after the last one."""
        if not same_origin(req):
            await ws.close(FORBIDDEN_ORIGIN)
            return
        await ws.accept()
        try:
            after = _after(req, None)
            record = await self._board.get(query.task_id(task_id))
            self._limits.check(req.remote_addr)
            with self._limits.one_more(req.remote_addr):
                if "after" not in req.params:
                    after = record.version
                    await ws.send_text(_text(_current(record)))
                await self._forward(ws, record.task_id, after)
            await ws.close(1000)
        except (TaskNotFound, ValidationFailed):
            await ws.close(NOT_FOUND)
        except RequestProblem:
            await ws.close(TRY_AGAIN)
        except FeedEnded as ended:
            await ws.close(TRY_AGAIN if ended.reason == "slow" else GOING_AWAY)
        except Unavailable:
            await ws.close(TRY_AGAIN)
        except falcon.WebSocketDisconnected:
            return

    async def _forward(self, ws: WebSocket, task_id: str, after: int) -> None:
        """Send until the task has ended; a client that says goodbye ends it as well."""
        listening = asyncio.ensure_future(_until_gone(ws))
        source = _with_heartbeats(self._board.follow(task_id, after))
        try:
            async for item in source:
                if listening.done():
                    return
                if item is not None:
                    await ws.send_text(_text(_message(item)))
        finally:
            await source.aclose()  # type: ignore[attr-defined]
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _until_gone(ws: WebSocket) -> None:
    try:
        while True:
            await ws.receive_text()  # nothing is expected; reading sees the close
    except (falcon.WebSocketDisconnected, falcon.PayloadTypeError):
        return


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()


def _current(record: Any) -> dict[str, Any]:
    at = record.finished_at or record.started_at or record.created_at
    return events.view(
        Event(
            task_id=record.task_id,
            version=record.version,
            kind="state",
            status=record.status.value,
            at_ms=at,
            progress=record.progress,
            stage=record.stage,
            attempt=record.attempts,
        )
    )
