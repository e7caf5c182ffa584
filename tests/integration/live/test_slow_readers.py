"""A watcher that does not read is cut, costs little until then, and disturbs nobody."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.live.conftest import Stack, Web
from tests.integration.live.sse import numbers
from tests.integration.live.watch import connect, wait_until
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def alone(stack: Stack) -> Iterator[Web]:
    """A web process whose memory nobody else uses."""
    with stack.more() as web:
        yield web


def loud(web: Web, gate: Path) -> str:
    """Submit a task that logs 8 MB once the gate opens, and lives on until a second gate does."""
    text = "#" + "x" * 8000
    rounds = [step for _ in range(5) for step in (["say", text, 200], ["rest", 0.15])]
    return web.submit(["open", str(gate)], *rounds, ["at", 0.9, "SAID"], ["open", f"{gate}2"])


def memory(web: Web) -> int:
    """Return the bytes of the process that serves."""
    return sum(each.memory_info().rss for each in psutil.Process(web.process.pid).children(recursive=True))


def connections(web: Web) -> int:
    """Return how many connections of clients the process has."""
    found = psutil.Process(web.process.pid).children(recursive=True)
    states = [each.status for child in found for each in child.net_connections("tcp")
              if each.laddr.port == web.port]  # fmt: skip
    return states.count(psutil.CONN_ESTABLISHED)


def test_a_slow_reader_is_cut_and_resumes_while_others_see_all_of_it(alone: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = loud(alone, gate)
    alone.client.get("/healthz")
    slow = [alone.events(task_id, buffer=4096) for _ in range(20)]
    with alone.events(task_id) as quick:
        found = quick.until(status="running")
        before = memory(alone)
        gate.touch()
        found += quick.until(stage="SAID")
        assert sum(each.kind == "log" for each in found) == 1000
        # Twenty times 8 MB would be 160 MB.
        assert memory(alone) - before < 60_000_000
        wait_until(lambda: connections(alone) <= 2, "the slow ones are cut")
        first = slow[0]
        pieces = list(first)
        assert not first.complete  # cut, not ended: the client knows that there is more
        (tmp_path / "go2").touch()
        found += list(quick)
    for stream in slow:
        stream.close()
    with alone.events(task_id, headers={"Last-Event-ID": pieces[-1].id}) as again:
        pieces += list(again)
    assert numbers(pieces) == list(range(1, len(pieces) + 1))
    assert pieces == found


def test_a_slow_websocket_is_closed_1013(alone: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = loud(alone, gate)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", alone.port))
    with connect(f"ws://127.0.0.1:{alone.port}/ws/tasks/{task_id}", sock=sock, max_queue=1) as ws:
        ws.recv(timeout=PATIENCE_S)
        with alone.events(task_id) as quick:
            gate.touch()
            quick.until(stage="SAID")
            # The stream of another client goes on for as long as the slow one is waited for.
            for _ in range(6):
                quick.comment()
            with suppress(ConnectionClosed):
                while True:
                    ws.recv(timeout=PATIENCE_S)
            assert ws.close_code == 1013
            (tmp_path / "go2").touch()
            assert list(quick)[-1].data["status"] == "succeeded"


def test_a_reader_that_is_only_behind_gets_everything(alone: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = loud(alone, gate)
    with alone.events(task_id, buffer=16_384) as behind, alone.events(task_id) as quick:
        quick.until(status="running")
        gate.touch()
        whole = quick.until(stage="SAID")  # meanwhile the other reads nothing
        found = behind.until(stage="SAID")
        assert numbers(found) == list(range(1, len(found) + 1))
        assert found[-1] == whole[-1]
        (tmp_path / "go2").touch()
