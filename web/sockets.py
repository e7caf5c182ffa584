"""Watching a task over WebSocket: the JSON messages of live.py (contract.md, Live)."""

import asyncio
from typing import Final

import falcon
import falcon.asgi
import msgspec

from callboard.board import Board
from callboard.errors import TaskNotFound, Unavailable, ValidationFailed
from callboard.live.feed import Feed, FeedEnded
from callboard.live.follow import Gap
from callboard.tasks.events import Event
from callboard.tasks.record import TaskRecord
from web import live, query
from web.origin import same_origin
from web.problems import RequestProblem
from web.streams import Streams

Request = falcon.asgi.Request
WebSocket = falcon.asgi.WebSocket

FINISHED: Final = 1000
GOING_AWAY: Final = 1001
TRY_AGAIN: Final = 1013
#: 4000 + the status a plain request would get (problems.py closes with these as well).
NOT_ALLOWED: Final = 4401
FORBIDDEN: Final = 4403
NOT_FOUND: Final = 4404
INVALID: Final = 4422
#: Seconds a client that is cut because it does not read may take to read so.
LEAVE_S: Final = 10.0


class TaskSocket:
    """`WS /ws/tasks/{id}`."""

    def __init__(self, board: Board, streams: Streams) -> None:
        self._board = board
        self._streams = streams

    async def on_websocket(self, req: Request, ws: WebSocket, task_id: str) -> None:
        """Send the current state first, then updates; `?after=` resumes; 1000 after the last one."""
        if not same_origin(req):
            await ws.close(FORBIDDEN)  # before it is accepted: the handshake is answered with 403
            return
        await ws.accept()
        try:
            await ws.close(await self._serve(req, ws, task_id))
        except falcon.WebSocketDisconnected:
            return

    async def _serve(self, req: Request, ws: WebSocket, task_id: str) -> int:
        """Return the code to close with."""
        try:
            task = query.task_id(task_id)
        except ValidationFailed:
            return NOT_FOUND
        try:
            query.only(req, ("after",))
            begin = live.after(req)
            record = await self._board.get(task)
            self._streams.check(req)
            await self._send(req, ws, record, begin)
        except ValidationFailed:
            return INVALID
        except TaskNotFound:
            return NOT_FOUND
        except (RequestProblem, Unavailable):
            return TRY_AGAIN
        except FeedEnded as ended:
            return {"closing": GOING_AWAY, "revoked": NOT_ALLOWED}.get(ended.reason, TRY_AGAIN)
        return FINISHED

    async def _send(self, req: Request, ws: WebSocket, record: TaskRecord, begin: int) -> None:
        """Send until the task has ended."""
        with (
            self._board.hub.watch(record.task_id) as feed,
            self._streams.opened(req, feed, LEAVE_S) as stream,
        ):
            listening = asyncio.ensure_future(_listen(ws, feed))
            resumed = "after" in req.params
            source = self._board.follow(feed, record.task_id, begin if resumed else record.version)
            try:
                if not resumed:
                    await ws.send_text(_text(_current(record)))
                async for item in source:
                    stream.sent()
                    if item is not None:
                        await ws.send_text(_text(item))
                    if feed.ended not in (None, "closing"):
                        raise FeedEnded(feed.ended)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                await source.aclose()


async def _listen(ws: WebSocket, feed: Feed) -> None:
    """End the feed when the client says goodbye; whatever else it sends is not meant for us."""
    try:
        while True:
            try:
                await ws.receive_data()
            except falcon.PayloadTypeError:
                continue
    except falcon.WebSocketDisconnected:
        feed.end("gone")


def _text(item: Event | Gap) -> str:
    return msgspec.json.encode(live.message(item)).decode()


def _current(record: TaskRecord) -> Event:
    return Event(
        task_id=record.task_id,
        version=record.version,
        kind="state",
        status=record.status.value,
        at_ms=record.finished_at or record.started_at or record.created_at,
        progress=record.progress,
        stage=record.stage,
        attempt=record.attempts,
    )
