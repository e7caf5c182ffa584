"""The open streams of this process: how many there may be, heartbeats, and the end of those nobody reads.

One clock serves all of them, as a timer for each wait of thousands of streams costs more than the streams.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

import falcon.asgi
from prometheus_client import Gauge

from callboard.access.principal import Principal
from callboard.live.feed import Feed
from web.connection import Connection
from web.problems import RequestProblem

#: Seconds between looks at the streams.
TICK_S: Final = 0.5
#: Seconds a client may leave everything unread; then it is cut, and may resume.
STALLED_S: Final = 5.0
#: Seconds the last words of a stopping process may wait for a client that does not read.
LEAVE_S: Final = 1.5


class Stream:
    """One open stream, inside a with-block; `sent` is called with everything that is sent."""

    # No generator of contextlib: with its wrapper it took 700 bytes of a stream's 25,000.
    __slots__ = (
        "_client", "_connection", "_kind", "_leave_s", "_now", "_quiet_since", "_stalled_since", "_streams",
        "feed", "who",
    )  # fmt: skip

    def __init__(self, streams: "Streams", req: falcon.asgi.Request, feed: Feed, leave_s: float) -> None:
        self._streams = streams
        self._client = req.remote_addr
        self._connection = Connection(req.scope)
        self._kind = "websocket" if req.scope["type"] == "websocket" else "sse"
        self._leave_s = leave_s
        self._now = asyncio.get_running_loop().time
        self._quiet_since = self._now()
        self._stalled_since: float | None = None
        self.feed = feed
        self.who: Principal | None = req.context.get("principal")

    def __enter__(self) -> "Stream":
        self._connection.watch(self.gone)
        self._streams.add(self, self._client, self._kind)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.unwatch()
        self._streams.remove(self, self._client, self._kind)

    def sent(self) -> None:
        """Something has been sent: no heartbeat is needed for a while."""
        self._quiet_since = self._now()

    def look(self, now: float, heartbeat_s: float) -> None:
        """Cut it when its client has not read for too long, else show it that the stream lives."""
        if not self._connection.paused:
            self._stalled_since = None
            if now - self._quiet_since >= heartbeat_s:
                self.feed.beat()
        elif self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since >= STALLED_S:
            self.end("slow")

    def end(self, reason: str) -> None:
        """End it, also while it waits for its client; who cannot be told is cut."""
        self.feed.end(reason)
        if self._connection.paused:
            self._connection.unblock()
            leave_s = LEAVE_S if reason == "closing" else self._leave_s
            asyncio.get_running_loop().call_later(leave_s, self._connection.cut)

    def gone(self) -> None:
        """The client is gone."""
        self.feed.end("gone")


class Streams:
    """All open streams of one web process."""

    def __init__(
        self, per_client: int, in_all: int, heartbeat_s: float, watchers: Mapping[str, Gauge]
    ) -> None:
        self._per_client = per_client
        self._in_all = in_all
        self._heartbeat_s = heartbeat_s
        #: By kind: how many are open, for metrics.
        self._watchers = watchers
        self._open: set[Stream] = set()
        self._clients: Counter[str] = Counter()
        self._clock: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def check(self, req: falcon.asgi.Request) -> None:
        """Raise RequestProblem when there are too many; nothing may be awaited until `opened` after it."""
        if self._clients[req.remote_addr] >= self._per_client:
            raise RequestProblem("too-many-streams", f"one client may have {self._per_client} open streams")
        if len(self._open) >= self._in_all:
            raise RequestProblem("too-many-streams", f"this process may have {self._in_all} open streams")

    def opened(self, req: falcon.asgi.Request, feed: Feed, leave_s: float = 0.0) -> Stream:
        """Count and look after a stream inside a with-block.

        A client that is cut because it does not read is given `leave_s` seconds to be told.
        """
        return Stream(self, req, feed, leave_s)

    def add(self, stream: Stream, client: str, kind: str) -> None:
        """Count a stream."""
        self._watchers[kind].inc()
        self._open.add(stream)
        self._clients[client] += 1
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(TICK_S, self._look)

    def remove(self, stream: Stream, client: str, kind: str) -> None:
        """Forget a stream."""
        self._watchers[kind].dec()
        self._open.discard(stream)
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(TICK_S, self._look) if self._open else None
        now = loop.time()
        for stream in list(self._open):
            stream.look(now, self._heartbeat_s)

    def end_of(self, who: Principal) -> None:
        """End the streams of a key or session that may not be used any more."""
        for stream in list(self._open):
            if stream.who is who:
                stream.end("revoked")

    def end_all(self) -> None:
        """End every stream: this process is about to stop."""
        for stream in list(self._open):
            stream.end("closing")
