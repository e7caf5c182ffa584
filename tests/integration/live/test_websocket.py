"""`WS /ws/tasks/{id}`: the messages of the stream over WebSocket."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.integration.live.conftest import Web
from tests.integration.live.watch import connect
from tests.patience import PATIENCE_S

UNKNOWN = "01999999-0000-7000-8000-000000000000"


def opened(web: Web, task_id: str, query: str = "", **options: Any) -> ClientConnection:
    address = f"ws://127.0.0.1:{web.port}/ws/tasks/{task_id}{query}"
    return connect(address, close_timeout=PATIENCE_S, max_queue=None, **options)


def messages(ws: ClientConnection) -> Iterator[dict[str, Any]]:
    """Yield what comes until the server closes."""
    while True:
        try:
            yield json.loads(ws.recv(timeout=PATIENCE_S))
        except ConnectionClosed:
            return


def closed_with(web: Web, task_id: str, query: str = "") -> int | None:
    with opened(web, task_id, query) as ws:
        assert list(messages(ws)) == []
        return ws.close_code


def test_the_current_state_comes_first_then_updates_then_it_closes(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["say", "one", 1], ["at", 0.5, "HALF"], ["open", str(gate)], ["say", "two", 1])
    with web.events(task_id) as stream:
        stream.until(stage="HALF")
    with opened(web, task_id) as ws:
        found = [json.loads(ws.recv(timeout=PATIENCE_S))]
        assert (found[0]["kind"], found[0]["status"], found[0]["stage"]) == ("state", "running", "HALF")
        gate.touch()
        found += messages(ws)
        assert ws.close_code == 1000
    assert [each["version"] for each in found] == list(range(found[0]["version"], found[-1]["version"] + 1))
    assert found[1:] == [each.data for each in web.whole(task_id)][found[0]["version"] :]


def test_of_a_finished_task_there_is_the_final_state_alone(web: Web) -> None:
    task_id = web.run(["say", "one", 1])
    with opened(web, task_id) as ws:
        (only,) = messages(ws)
        assert ws.close_code == 1000
    assert (only["status"], only["version"]) == ("succeeded", web.ended(task_id)["version"])
    assert set(only) == {"task_id", "version", "kind", "at", "attempt", "status", "stage", "progress"}


def test_it_resumes_after_any_version_as_the_stream_does(web: Web) -> None:
    task_id = web.run(["say", "line #", 20], ["steps", 5])
    whole = [each.data for each in web.whole(task_id)]
    for position in range(0, len(whole) + 1, 4):
        with opened(web, task_id, f"?after={position}") as ws:
            assert list(messages(ws)) == whole[position:]
            assert ws.close_code == 1000


def test_cut_again_and_again_it_loses_and_repeats_nothing(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["say", "line #", 50], ["open", str(gate)], ["say", "more #", 50])
    found: list[dict[str, Any]] = []
    while not found or found[-1].get("status") != "succeeded":
        with opened(web, task_id, f"?after={len(found)}") as ws:
            for _ in range(7):
                if len(found) >= 30:
                    gate.touch()
                found.append(json.loads(ws.recv(timeout=PATIENCE_S)))
                if found[-1].get("status") == "succeeded":
                    break
            with suppress(OSError):  # the server may have closed it by itself
                ws.socket.shutdown(socket.SHUT_RDWR)
    assert found == [each.data for each in web.whole(task_id)]


def test_a_gap_is_told(web: Web) -> None:
    task_id = web.run(["say", "early #", 300], ["rest", 0.3], ["say", "line #", 800])
    with opened(web, task_id, "?after=10") as ws:
        first = next(messages(ws))
    assert (first["kind"], first["first"], first["task_id"]) == ("gap", 11, task_id)


@pytest.mark.parametrize("task_id", [UNKNOWN, "nonsense", "%00"])
def test_an_unknown_task_closes_4404(web: Web, task_id: str) -> None:
    assert closed_with(web, task_id) == 4404


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=1&after=2", "?from=1"])
def test_what_cannot_be_a_position_closes_4422(web: Web, query: str) -> None:
    assert closed_with(web, web.run(["say", "x", 1]), query) == 4422


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1"])
def test_a_page_of_another_site_is_refused_before_it_is_accepted(web: Web, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(web, web.run(["say", "x", 1]), origin=origin)
    assert refused.value.response.status_code == 403


def test_our_own_page_is_accepted(web: Web) -> None:
    with opened(web, web.run(["say", "x", 1]), origin=f"http://127.0.0.1:{web.port}") as ws:
        assert len(list(messages(ws))) == 1


def test_pings_are_answered_and_what_a_client_says_is_ignored(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["open", str(gate)], ["say", "one", 1])
    with opened(web, task_id) as ws:
        ws.recv(timeout=PATIENCE_S)
        assert ws.ping().wait(timeout=PATIENCE_S)
        ws.send("hello")
        ws.send(b"\x00\xff")
        for number in range(50):
            ws.send(f"{number}")
        assert ws.ping().wait(timeout=PATIENCE_S)
        gate.touch()
        assert list(messages(ws))[-1]["status"] == "succeeded"
        assert ws.close_code == 1000


def test_a_client_that_sends_much_is_closed(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    with opened(web, web.submit(["open", str(gate)])) as ws:
        ws.recv(timeout=PATIENCE_S)
        ws.send("x" * 100_000)
        list(messages(ws))
        assert ws.close_code == 1009
    gate.touch()


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\n\r\n\u2028", "\u202e\x01", "😀" * 2000])
def test_hostile_text_arrives_as_text(web: Web, text: str) -> None:
    task_id = web.run(["say", text, 1])
    with opened(web, task_id, "?after=0") as ws:
        assert [each["message"] for each in messages(ws) if each["kind"] == "log"] == [text]
