"""Connections that are used again, by clients that are fast and send much."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.integration.api.wire import GOOD, get, read_all, talk
from tests.patience import PATIENCE_S

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("size", "status"), [(100, 202), (100_000, 202), (1024 * 1024, 202), (3_000_000, 413)]
)
def test_one_connection_serves_many_bodies_of_any_size(board: Board, size: int, status: int) -> None:
    with httpx.Client(
        base_url=board.url, limits=httpx.Limits(max_connections=1), timeout=PATIENCE_S
    ) as client:
        for _ in range(20):
            answer = client.post("/api/tasks", content=GOOD.ljust(size), headers=JSON)
            assert answer.status_code == status


def test_a_large_answer_comes_whole(board: Board) -> None:
    text = "\U0001f600" * 60_000
    assert board.run("reverse_text", {"text": text})["parameters"]["text"] == text


def test_an_ended_connection_leaves_nothing_in_memory(board: Board) -> None:
    def connect(times: int) -> int:
        """Return the bytes of Callboard's processes after that many connections."""
        for _ in range(times):
            (answer,) = talk(board.port, get(b"/healthz"))
            assert answer.status == 200
        return sum(process.memory_info().rss for each in board.processes for process in _family(each.pid))

    before = connect(500)
    assert connect(3000) - before < 15_000_000  # each one kept 12 kB


def test_a_connection_without_a_request_is_closed_in_the_end(tmp_path: Path) -> None:
    with serving.hasty(tmp_path) as board, ExitStack() as stack:
        stream = stack.enter_context(httpx.stream("GET", f"{board.url}/api/events", timeout=PATIENCE_S))
        silent = []
        for part in (b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", board.port), PATIENCE_S))
            client.sendall(part)
            silent.append(client)
        for client in silent:
            assert read_all(client) == b""  # returns because it was closed
        # One that has a request under way is not, however long ago it began.
        task = board.submit("reverse_text", {"text": "abc"})["task_id"]
        assert any(task in line for line in stream.iter_lines())
        assert board.new_bugs() == []


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
