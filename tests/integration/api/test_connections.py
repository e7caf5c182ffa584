"""Connections that are used again, by clients that are fast and send much."""

import httpx
import psutil
import pytest

from tests.integration.api.serving import Board
from tests.integration.api.wire import GOOD, get, talk
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
    port = board.client.base_url.port
    assert port is not None

    def connect(times: int) -> int:
        """Return the bytes of Callboard's processes after that many connections."""
        for _ in range(times):
            (answer,) = talk(port, get(b"/healthz"))
            assert answer.status == 200
        return sum(process.memory_info().rss for each in board.processes for process in _family(each.pid))

    before = connect(500)
    assert connect(3000) - before < 15_000_000  # each one kept 12 kB


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
