"""Streams through restarts: of the web process, in order and not, and of Redis."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.live.conftest import Stack, Web, running_stack
from tests.integration.live.sse import Message, Sse, numbers
from tests.integration.live.watch import connect, wait_until
from tests.patience import PATIENCE_S
from tests.servers import running_redis


def told(steps: int, gate: Path, rest: float = 0.12) -> list[list[object]]:
    """Return a script that tells something for a while, and then waits for the gate."""
    script = [[["say", f"{n}: #", 3], ["at", n / 100, f"S{n}"], ["rest", rest]] for n in range(steps)]
    return [*(step for each in script for step in each), ["open", str(gate)], ["say", "last", 1]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_web_process_that_ends_ends_its_streams_and_the_other_continues(
    stack: Stack, tmp_path: Path, number: int
) -> None:
    gate = tmp_path / "go"
    with stack.more() as web:
        task_id = web.submit(*told(20, gate))
        streams = [web.events(task_id) for _ in range(30)] + [Sse(web.port, "/api/events")]
        before = [stream.until(stage="S5") for stream in streams[:30]]
        keeper = Sse(web.port, f"/api/tasks/{'0' * 8}-0000-7000-8000-{'0' * 12}/events")  # a 404, kept alive
        assert keeper.status == 404
        _send(web, number)
        for stream, found in zip(streams, before, strict=False):
            found += _rest(stream)
            if number != signal.SIGKILL:
                assert stream.complete
        has_stopped(web)
        for stream in [*streams, keeper]:
            stream.close()
    gate.touch()
    whole = stack.first.whole(task_id)
    for found in before:
        with stack.second.events(task_id, headers={"Last-Event-ID": found[-1].id}) as stream:
            assert found + list(stream) == whole


def has_stopped(web: Web) -> None:
    """Wait until a process is gone, and show that it went by itself: what is left after gunicorn's
    `graceful_timeout` it breaks off, and says so.
    """
    wait_until(lambda: not web.process.alive, "the process is gone")
    assert "Forcing close" not in web.process.log.read_text("utf-8")


def _rest(stream: Sse) -> list[Message]:
    found = []
    while (message := stream.next()) is not None:
        found.append(message)
    return found


def _send(web: Web, number: int) -> None:
    """Send a signal to the web process; SIGKILL to all of it, as a lost machine would."""
    if number == signal.SIGKILL:
        web.process.kill()
    else:
        os.kill(web.process.pid, number)


def test_a_stopping_web_process_closes_websockets_1001(stack: Stack) -> None:
    with stack.more() as web:
        task_id = web.submit(["say", "x", 1], delay=300)
        with connect(f"ws://127.0.0.1:{web.port}/ws/tasks/{task_id}") as ws:
            ws.recv(timeout=PATIENCE_S)
            _send(web, signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=PATIENCE_S)
            assert ws.close_code == 1001
        has_stopped(web)


def test_a_reader_that_does_not_read_does_not_hold_a_stopping_process(stack: Stack, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    with stack.more() as web:
        task_id = web.submit(["say", "#" + "x" * 8000, 500], ["rest", 0.3], ["open", str(gate)])
        slow = [web.events(task_id, buffer=4096) for _ in range(5)]
        with web.events(task_id) as quick:
            quick.take(400)
            _send(web, signal.SIGTERM)
            has_stopped(web)
        for stream in slow:
            stream.close()
    gate.touch()


def test_a_request_under_way_is_answered_by_a_stopping_process(stack: Stack) -> None:
    with stack.more() as web:
        answers = []
        body = {"task_type": "scripted", "parameters": {"script": [["rest", 1.0]]}}

        def submit() -> None:
            answers.append(web.client.post("/api/tasks", json=body, headers={"Prefer": "wait=10"}))

        thread = threading.Thread(target=submit)
        thread.start()
        wait_until(lambda: _running(stack), "it runs")
        _send(web, signal.SIGTERM)
        thread.join(timeout=PATIENCE_S)
        assert answers[0].status_code in (200, 202)
        has_stopped(web)


def _running(stack: Stack) -> bool:
    return bool(stack.first.client.get("/api/tasks?status=running&type=scripted").json()["tasks"])


@pytest.fixture(scope="module")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitNode
) -> Iterator[tuple[Stack, RedisServer]]:
    """A stack with a Redis of its own."""
    folder = tmp_path_factory.mktemp("fragile")
    with running_redis(folder / "redis") as server, running_stack(folder, rabbitmq, server) as made:
        yield made, server


def test_redis_killed_and_restarted_leaves_no_gap_and_no_repeat(
    fragile: tuple[Stack, RedisServer], tmp_path: Path
) -> None:
    made, server = fragile
    gate = tmp_path / "go"
    task_id = made.first.submit(*told(40, gate))
    dashboard = Sse(made.second.port, "/api/events")
    found: dict[str, list[Message]] = {"first": [], "second": []}

    def watch(name: str, web: Web) -> None:
        messages = found[name]
        while not messages or messages[-1].data.get("status") != "succeeded":
            after = int(messages[-1].id) if messages else 0
            with web.events(task_id, after=after) as stream:
                if stream.status == 200:
                    messages += stream

    threads = [threading.Thread(target=watch, args=each) for each in
               (("first", made.first), ("second", made.second))]  # fmt: skip
    for thread in threads:
        thread.start()
    for stage in ("S5", "S25"):
        wait_until(lambda stage=stage: any(each.data.get("stage") == stage for each in found["first"]), stage)
        server.kill()
        server.start()
        server.wait_ready()
    gate.touch()
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive()
    dashboard.close()
    whole = made.first.whole(task_id)
    assert found["first"] == found["second"] == whole
    assert numbers(whole) == list(range(1, len(whole) + 1))
    with Sse(made.second.port, "/api/events") as after:  # dashboards work again
        task = made.first.submit_type("quick", {})
        assert after.until(task_id=task, status="succeeded")


def test_while_redis_is_away_a_stream_is_refused_and_later_works_again(
    fragile: tuple[Stack, RedisServer],
) -> None:
    made, server = fragile
    task_id = made.first.run(["say", "x", 1])
    whole = made.first.whole(task_id)
    server.kill()
    assert made.first.client.get(f"/api/tasks/{task_id}/events").status_code == 503
    with connect(f"ws://127.0.0.1:{made.first.port}/ws/tasks/{task_id}") as ws:
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=PATIENCE_S)
        assert ws.close_code == 1013
    server.start()
    server.wait_ready()
    wait_until(lambda: made.first.client.get("/readyz").status_code == 200, "it is ready again")
    assert made.first.whole(task_id) == whole
