"""Clients that leave at any moment, on every route: no bug shows, nothing stays behind."""

import json
import random
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.integration.api import serving
from tests.integration.api.serving import Board, body
from tests.integration.live.watch import wait_until
from tests.patience import PATIENCE_S

#: What a client does of these is drawn, as is where it breaks off; a failure names the seed.
ENDS = ("close", "reset", "half")
CONNECTIONS = 1_000
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    + b"z" * 100_000
    + b"\r\n--x--\r\n"
)
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Callboard of its own: its queues are purged, its schedules deleted."""
    with serving.embedded(tmp_path_factory.mktemp("leavers")) as running:
        yield running


def requests(board: Board) -> list[bytes]:
    """Return one whole request for every route and method, and for the streams and pages."""
    waiting = board.submit("reverse_text", {"text": "a"}, delay=3600)["task_id"]
    whole = [
        _request("GET", path)
        for path in ("/", "/tasks", f"/tasks/{waiting}", "/queues", "/schedules", "/docs")
    ]
    whole.append(_request("GET", f"/api/tasks/{waiting}?wait=5"))
    whole.append(_request("GET", f"/ws/tasks/{waiting}", UPGRADE))
    task = json.dumps(body("reverse_text", {"text": "b" * 2000})).encode()
    for path, operations in board.client.get("/api/openapi.json").json()["paths"].items():
        filled = re.sub(r"\{[^}]+\}", "default", path.replace("{task_id}", waiting))
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            if method in ("get", "delete"):
                whole.append(_request(method.upper(), filled))
            else:
                whole.append(_request(method.upper(), filled, "Content-Type: application/json\r\n", task))
    whole.append(_request("POST", "/api/files", "Content-Type: multipart/form-data; boundary=x\r\n", UPLOAD))
    return whole


def _request(method: str, path: str, headers: str = "", content: bytes = b"") -> bytes:
    length = f"Content-Length: {len(content)}\r\n" if content else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{length}\r\n".encode() + content


def leave(port: int, whole: bytes, draw: random.Random) -> None:
    """Send a request or a part of it, perhaps more behind it, read little or nothing, and go."""
    sent = whole * draw.choice((1, 1, 3))
    if draw.random() < 0.4:
        sent = sent[: draw.randrange(1, len(sent))]
    end, reads = draw.choice(ENDS), draw.random() < 0.3
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        client.sendall(sent)
        if reads:
            client.settimeout(0.01)
            with suppress(TimeoutError):
                client.recv(100)
        if end == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif end == "half":
            client.shutdown(socket.SHUT_WR)


def watching(board: Board) -> float:
    text = board.client.get("/metrics").text
    return sum(map(float, re.findall(r"^callboard_stream_watchers\{.*\} (\S+)$", text, re.MULTILINE)))


def test_clients_that_leave_at_any_moment(own: Board) -> None:
    seed = random.randrange(2**32)
    whole = requests(own)

    def one(number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        leave(own.port, draw.choice(whole), draw)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(CONNECTIONS)))
    wait_until(lambda: watching(own) == 0, f"no stream is counted as open, seed {seed}")
    task_id = own.submit("reverse_text", {"text": "abc"})["task_id"]

    def served() -> bool:
        own.client.post("/api/queues/default/resume")  # some of them paused it
        return bool(own.client.get(f"/api/tasks/{task_id}").json()["status"] == "succeeded")

    wait_until(served, f"a task runs, seed {seed}")
    assert own.new_bugs() == [], f"seed {seed}"
