"""A watcher that leaves before its stream has begun leaves nothing behind."""

import os
import re
import signal
import socket
from collections.abc import Callable

import pytest

from callboard.local.redis import RedisServer
from tests.integration.live.conftest import Stack, Web
from tests.integration.live.watch import connect, wait_until
from tests.patience import stand_still


def watching(web: Web) -> list[float]:
    """Return how many streams are open as the process counts them: SSE and WebSocket."""
    text = web.client.get("/metrics").text
    return [
        float(value) for value in re.findall(r"^callboard_stream_watchers\{.*\} (\S+)$", text, re.MULTILINE)
    ]


def ask_for_events(web: Web, task_id: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", web.port))
    client.sendall(f"GET /api/tasks/{task_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def ask_for_websocket(web: Web, task_id: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", web.port))
    connect(f"ws://127.0.0.1:{web.port}/ws/tasks/{task_id}", sock=client)  # answered before Redis is asked
    return client


@pytest.mark.parametrize("ask", [ask_for_events, ask_for_websocket])
def test_who_leaves_before_the_record_is_read_is_not_counted_on(
    stack: Stack, redis_server: RedisServer, ask: Callable[[Web, str], socket.socket]
) -> None:
    web = stack.second
    task_id = web.submit_type("reverse_text", {"text": "later"}, delay=3600)
    wait_until(lambda: watching(web) == [0, 0], "no stream of an earlier test is open")
    stand_still(redis_server.pid)
    try:
        clients = [ask(web, task_id) for _ in range(3)]
        web.client.get("/healthz")  # answered after the requests before it were begun
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        web.client.get("/healthz")  # and this after their ends were seen
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    wait_until(lambda: web.client.get("/readyz").status_code == 200, "Redis is known to be back")
    with web.events(task_id) as stream:  # asks Redis behind those that left
        stream.until(status="scheduled")
    wait_until(lambda: watching(web) == [0, 0], "the streams are counted off")
    web.client.post(f"/api/tasks/{task_id}/cancel")
