"""web/whole.py: a body ends where the client ended it, or it is an error."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from web.whole import BodyCut, Event, Receive, Send, WholeBodies

PART = {"type": "http.request", "body": b"a", "more_body": True}
LAST = {"type": "http.request", "body": b"b", "more_body": False}
GONE = {"type": "http.disconnect"}


async def run(app: Any, events: Iterable[Event], kind: str = "http") -> list[Event]:
    """Run one request; return what was sent."""
    waiting, sent = iter(events), []

    async def receive() -> Event:
        return next(waiting)

    async def send(event: Event) -> None:
        sent.append(event)

    await WholeBodies(app)({"type": kind}, receive, send)
    return sent


async def read(receive: Receive) -> bytes:
    """Read a body as Falcon does: a disconnect is its end."""
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


async def echo(scope: Event, receive: Receive, send: Send) -> None:
    await send({"type": "answer", "body": await read(receive)})


async def test_a_whole_body_goes_through() -> None:
    assert await run(echo, [PART, PART, LAST]) == [{"type": "answer", "body": b"aab"}]


@pytest.mark.parametrize("events", [[GONE], [PART, GONE]])
async def test_a_body_that_breaks_off_is_an_error_for_its_reader(events: list[Event]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        with pytest.raises(BodyCut):
            await read(receive)

    assert await run(app, events) == []


async def test_a_request_of_which_nothing_came_is_answered_all_the_same() -> None:
    start, end = await run(echo, [GONE])
    assert start["status"] == 408
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    assert json.loads(end["body"])["type"] == "/problems/incomplete-body"


async def test_a_client_may_leave_after_its_body() -> None:
    seen = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await read(receive)
        seen.append(await receive())

    await run(app, [LAST, GONE])
    assert seen == [GONE]


async def test_other_kinds_of_connection_are_left_alone() -> None:
    seen = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        seen.append(await receive())

    await run(app, [GONE], kind="websocket")
    assert seen == [GONE]
