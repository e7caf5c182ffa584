"""Watching by server-sent events: one task, and all of them (contract.md, Live)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import falcon
import falcon.asgi
import msgspec

from callboard.board import Board
from callboard.errors import TaskNotFound, Unavailable
from callboard.live.feed import FeedEnded, LookAgain
from callboard.live.follow import Gap
from callboard.live.latest import Latest
from callboard.store.pages import Filter
from callboard.tasks import events
from callboard.tasks.events import Event
from callboard.tasks.ids import created_ms
from web import query
from web.streams import Streams

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Milliseconds a browser waits before it connects again.
RECONNECT_MS: Final = 2_000
#: Seconds a dashboard's stream may take to begin.
SUBSCRIBED_S: Final = 2.0
#: Seconds between two updates of one task, for dashboards.
COALESCE_S: Final = 0.1

_BEGIN: Final = b": callboard\nretry: %d\n\n" % RECONNECT_MS
_HEARTBEAT: Final = b": still here\n\n"


def message(item: Event | Gap) -> dict[str, Any]:
    """Return what a client is told, whichever way it watches."""
    if isinstance(item, Gap):
        return {"task_id": item.task_id, "kind": "gap", "first": item.first, "last": item.last}
    return events.view(item)


def after(req: Request, header: str | None = None) -> int:
    """Return the event number after which to begin; raises ValidationFailed."""
    name, text = ("after", query.one(req, "after")) if header is None else ("Last-Event-ID", header)
    if text is None or text == "":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise query.refuse(name, f"{text[:40]!r} is no event number of this stream")
    return int(text)


@lru_cache(maxsize=256)
def _frame(item: Event | Gap) -> bytes:
    """Return an event as its bytes on the wire; thousands may watch the same one.

    JSON has no line breaks of its own and those inside of texts are escaped, so nothing a task says can
    end the frame.
    """
    kind, number = ("gap", item.last) if isinstance(item, Gap) else (item.kind, item.version)
    return b"event: %b\nid: %d\ndata: %b\n\n" % (kind.encode(), number, msgspec.json.encode(message(item)))


class _Chunks:
    """A stream's body for Falcon, which closes it whatever happens."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def close(self) -> None:
        """Release what the stream holds."""
        await self._chunks.aclose()


def _answer(resp: Response, chunks: AsyncGenerator[bytes, None]) -> None:
    resp.content_type = "text/event-stream"
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("X-Accel-Buffering", "no")
    resp.stream = _Chunks(chunks)  # type: ignore[assignment]  # Falcon asks for no more than this


class TaskEvents:
    """`GET /api/tasks/{id}/events`."""

    def __init__(self, board: Board, streams: Streams) -> None:
        self._board = board
        self._streams = streams

    async def on_get(self, req: Request, resp: Response, task_id: str) -> None:
        """Replay from the start or after Last-Event-ID, go on live, end with the task."""
        query.only(req, ("after",))
        task = query.task_id(task_id)
        begin = after(req, req.get_header("Last-Event-ID"))
        await self._board.get(task)  # a 404 or 503 is still possible here
        self._streams.check(req)
        _answer(resp, self._chunks(req, task, begin))

    async def _chunks(self, req: Request, task: str, begin: int) -> AsyncGenerator[bytes, None]:
        with self._board.hub.watch(task) as feed, self._streams.opened(req, feed) as stream:
            yield _BEGIN
            source = self._board.follow(feed, task, begin)
            try:
                async for item in source:
                    stream.sent()
                    yield _HEARTBEAT if item is None else _frame(item)
                    if feed.ended not in (None, "closing"):
                        return
            except (FeedEnded, Unavailable, TaskNotFound):
                return  # the client connects again and goes on after its last event
            finally:
                await source.aclose()


class AllEvents:
    """`GET /api/events`: every task's state and progress, for dashboards."""

    def __init__(self, board: Board, types_by_queue: Mapping[str, Sequence[str]], streams: Streams) -> None:
        self._board = board
        self._types_by_queue = types_by_queue
        self._streams = streams

    async def on_get(self, req: Request, resp: Response) -> None:
        """Stream from now on, each task at most 10 times a second."""
        # Events have no tags; a page and its cursor make no sense of what is still to come.
        query.only(req, [name for name in query.LIST_NAMES if name not in ("limit", "cursor", "tag")])
        wanted = self._wanted(query.page_filter(req))
        self._streams.check(req)
        _answer(resp, self._chunks(req, wanted))

    async def _chunks(self, req: Request, wanted: Callable[[Event], bool]) -> AsyncGenerator[bytes, None]:
        now = asyncio.get_running_loop().time
        with (
            self._board.hub.watch_all(Latest(wanted)) as feed,
            self._streams.opened(req, feed) as stream,
        ):
            try:
                async with asyncio.timeout(SUBSCRIBED_S):
                    await feed.subscribed()
                yield _BEGIN  # with the headers: who reads the lists now misses nothing in between
                not_before = 0.0
                while True:
                    changed = await feed.changes(not_before)
                    not_before = now() + COALESCE_S
                    stream.sent()
                    yield b"".join(map(_dashboard_frame, changed)) if changed else _HEARTBEAT
            except (FeedEnded, LookAgain, TimeoutError):
                return  # such a stream cannot resume: the client connects again and reads the lists anew

    def _wanted(self, wanted: Filter) -> Callable[[Event], bool]:
        types = set(wanted.types)
        in_queues = {name for queue in wanted.queue for name in self._types_by_queue.get(queue, ())}

        since, until = wanted.created_after_ms, wanted.created_before_ms

        def passes(event: Event) -> bool:
            return (
                (not wanted.status or event.status in wanted.status)
                and (not types or event.task_type in types)
                and (not wanted.priority or event.priority in wanted.priority)
                and (not wanted.queue or event.task_type in in_queues)
                and (since is None or created_ms(event.task_id) >= since)
                and (until is None or created_ms(event.task_id) < until)
            )

        return passes


@lru_cache(maxsize=1024)
def _dashboard_frame(event: Event) -> bytes:
    told = events.view(event) | {"task_type": event.task_type, "priority": event.priority}
    return b"event: %b\ndata: %b\n\n" % (event.kind.encode(), msgspec.json.encode(told))
