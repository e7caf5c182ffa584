"""What a stream needs to know of its connection, and ASGI does not tell: whether the client reads, that it
is gone, at once, and a way to cut it. Read from gunicorn's protocol object, which comes with the scope.
And what gunicorn leaves undone: it closes no connection without a request, and lets go of none.

gunicorn is pinned; tests/integration/live and api/test_connections.py see when this no longer works. Under
another server a stream works as well, but a client that is gone or does not read is noticed by that server
alone.
"""

import asyncio
import socket
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.asgi.websocket import WebSocketProtocol

_KEY: Final = "callboard.protocol"
#: Seconds of silence on a connection until its peer is probed, between probes, and probes without an answer.
_PROBES: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
#: Seconds from connecting to the end of the first request's head, and between looks at who takes longer.
HEAD_S: Final = 60.0
LOOK_S: Final = 10.0

#: All connections of this process.
_open: Final[set[ASGIProtocol]] = set()


class Connection:
    """The connection of one request."""

    __slots__ = ("_protocol",)

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self._protocol: Any = scope.get(_KEY)

    @property
    def paused(self) -> bool:
        """Tell whether what was sent waits for the client to read."""
        return self._protocol is not None and self._protocol._flow_control.write_paused

    def watch(self, lost: Callable[[], None]) -> None:
        """Have `lost` called when the client is gone, now if it is; one that vanished is found by probes."""
        if self._protocol is None:
            return
        if self._protocol._conn_lost_handled:
            lost()
            return
        self._protocol.callboard_lost = lost
        receiver = self._protocol._body_receiver
        if receiver is not None and receiver._complete and not receiver._chunks:
            receiver._chunks = ()  # an empty deque takes 760 bytes, and there is no more to come
        if not self._protocol.transport.is_closing():  # else its socket may be nobody's, or another's
            _probe(self._protocol.transport.get_extra_info("socket"))

    def unwatch(self) -> None:
        """Forget what to call."""
        if self._protocol is not None:
            self._protocol.callboard_lost = None

    def unblock(self) -> None:
        """Let a send return that waits for the client; nothing more should be sent after it."""
        if self._protocol is not None:
            self._protocol._flow_control.resume_writing()

    def cut(self) -> None:
        """End the connection at once; what waits to be sent is dropped."""
        if self._protocol is not None:
            self._protocol.transport.abort()


def _probe(sock: Any) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if option := getattr(socket, name, None):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def close_idle(*, fresh: bool) -> None:
    """Close the connections that wait for a request; with `fresh` also those that wait for their first."""
    for protocol in list(_open):
        waits = protocol._awaiting_request and not protocol._finishing_calls
        if waits and (fresh or protocol.req_count > 1):
            _close(protocol)


def close_silent() -> None:
    """Close, now and from time to time, the connections on which no whole request ever came.

    gunicorn waits for it without end: clients that vanished would add up until nobody else can connect.
    """
    loop = asyncio.get_running_loop()
    for protocol in list(_open):
        if (
            protocol._awaiting_request
            and protocol.req_count <= 1
            and loop.time() - protocol.callboard_since >= HEAD_S
        ):
            _close(protocol)
    loop.call_later(LOOK_S, close_silent)


def _close(protocol: ASGIProtocol) -> None:
    protocol._close_transport()
    protocol._request_ready.set()


def _release(protocol: ASGIProtocol) -> None:
    """Let go of what an ended connection holds, and what holds it.

    The parser in C is invisible to the garbage collector, and calls back: each connection there had ever been
    stayed in memory, 12 kB and what had been read of a body. The rest would wait for the collector.
    """
    protocol._callback_parser = None
    protocol._current_request = protocol._body_receiver = protocol._websocket = protocol._task = None


def install() -> None:
    """Teach gunicorn's protocol, in this process, what the above needs.

    A subclass would lose the parser in C, which gunicorn looks up in its own class only.
    """
    made, lost = ASGIProtocol.connection_made, ASGIProtocol.connection_lost
    http_scope, websocket_scope = ASGIProtocol._build_http_scope, ASGIProtocol._build_websocket_scope

    def connection_made(self: ASGIProtocol, transport: Any) -> None:
        _open.add(self)
        self.callboard_since = asyncio.get_running_loop().time()
        made(self, transport)

    def connection_lost(self: ASGIProtocol, exc: Exception | None) -> None:
        _open.discard(self)
        lost(self, exc)
        if self.callboard_lost is not None:
            self._flow_control.resume_writing()  # else a send would wait on for the client's reading
            self.callboard_lost()
        if self._task is None or self._task.done():
            _release(self)
        else:
            self._task.add_done_callback(lambda _: _release(self))

    def with_protocol(build: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def built(self: ASGIProtocol, *arguments: Any) -> dict[str, Any]:
            scope = build(self, *arguments)
            scope[_KEY] = self
            return scope

        return built

    feed = ASGIProtocol._feed_callback_parser

    def fed_while_open(self: ASGIProtocol, data: bytes) -> bool:
        # A request behind the one at whose end its client had left: uvloop raises when asked for the peer.
        return not self.transport.is_closing() and bool(feed(self, data))

    send_frame = WebSocketProtocol._send_frame

    async def sent_while_open(self: WebSocketProtocol, opcode: int, payload: bytes | str) -> None:
        if (
            not self.transport.is_closing()
        ):  # else uvloop raises, and a client that left were a bug's traceback
            await send_frame(self, opcode, payload)

    WebSocketProtocol._send_frame = sent_while_open
    ASGIProtocol._feed_callback_parser = fed_while_open
    ASGIProtocol.callboard_lost = None
    ASGIProtocol.connection_made = connection_made
    ASGIProtocol.connection_lost = connection_lost
    ASGIProtocol._build_http_scope = with_protocol(http_scope)
    ASGIProtocol._build_websocket_scope = with_protocol(websocket_scope)
