"""Streams hold nothing when they are over, there are not more of them than allowed, and Redis sees one
subscription of each web process however many watch.
"""

from collections.abc import Iterator
from pathlib import Path
from socket import SHUT_RDWR

import pytest
import redis
from websockets.exceptions import ConnectionClosed

from tests.integration.api import problem
from tests.integration.live.conftest import Stack, Web
from tests.integration.live.sse import Sse
from tests.integration.live.watch import connect, subscribers, subscriptions, wait_until
from tests.patience import PATIENCE_S


@pytest.fixture
def client(stack: Stack) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(stack.redis_url) as made:
        yield made


@pytest.fixture
def few(stack: Stack) -> Iterator[Web]:
    """A web process that allows 5 streams of one client."""
    with stack.more(streams_per_client=5) as web:
        yield web


def waiting_task(web: Web) -> str:
    return web.submit(["say", "x", 1], delay=300)


def test_a_client_that_leaves_is_noticed_at_once_and_its_channel_is_given_up(
    stack: Stack, client: "redis.Redis"
) -> None:
    task_id = waiting_task(stack.first)
    channel = f"{stack.namespace}:task:{task_id}:updates"
    polite, rude = stack.first.events(task_id), stack.first.events(task_id)
    with connect(f"ws://127.0.0.1:{stack.first.port}/ws/tasks/{task_id}") as socket:
        socket.recv(timeout=PATIENCE_S)
        wait_until(lambda: subscribers(client, channel) == 1, "the channel is subscribed, once for all three")
        polite.close()
        rude.reset()
    wait_until(lambda: subscribers(client, channel) == 0, "nobody watches any more")
    with stack.first.events(task_id) as again:
        again.until(status="scheduled")
        wait_until(lambda: subscribers(client, channel) == 1, "it is subscribed again")
        stack.first.client.post(f"/api/tasks/{task_id}/cancel")
        assert [each.data["status"] for each in again] == ["cancelled"]
    wait_until(lambda: subscribers(client, channel) == 0, "it is given up after the end")


def test_a_websocket_whose_connection_breaks_is_noticed_at_once(stack: Stack, client: "redis.Redis") -> None:
    task_id = waiting_task(stack.first)
    channel = f"{stack.namespace}:task:{task_id}:updates"
    with connect(f"ws://127.0.0.1:{stack.first.port}/ws/tasks/{task_id}") as socket:
        wait_until(lambda: subscribers(client, channel) == 1, "the channel is subscribed")
        socket.socket.shutdown(SHUT_RDWR)
        wait_until(lambda: subscribers(client, channel) == 0, "nobody watches any more")


def test_watchers_that_come_and_go_in_haste_always_hear_what_happens(stack: Stack, tmp_path: Path) -> None:
    web = stack.first
    for number in range(15):
        gate = tmp_path / f"go{number}"
        task_id = web.submit(["at", 0.5, "A"], ["open", str(gate)], ["say", "x", 1])
        for _ in range(number % 4):
            web.events(task_id).close()
        with web.events(task_id) as stream:
            stream.until(stage="A")
            web.events(task_id).reset()
            gate.touch()
            assert list(stream)[-1].data["status"] == "succeeded"


def test_each_web_process_has_one_subscription_however_many_watch(
    stack: Stack, client: "redis.Redis"
) -> None:
    before = subscriptions(client)
    tasks = [waiting_task(stack.first) for _ in range(30)]
    streams = [stack.first.events(task_id) for task_id in tasks for _ in range(3)]
    streams += [Sse(stack.first.port, "/api/events") for _ in range(10)]
    for task_id in tasks:
        channel = f"{stack.namespace}:task:{task_id}:updates"
        wait_until(lambda channel=channel: subscribers(client, channel) == 1, "its channel is subscribed")
    now = subscriptions(client)
    assert {each["id"] for each in now} == {each["id"] for each in before}
    for stream in streams:
        stream.close()
    total = sum(int(each["sub"]) for each in before)
    wait_until(
        lambda: sum(int(each["sub"]) for each in subscriptions(client)) <= total, "all channels are given up"
    )


def test_one_client_may_have_so_many_streams_and_may_again_once_some_are_closed(few: Web) -> None:
    task_id = waiting_task(few)
    streams = [few.events(task_id) for _ in range(3)]
    streams.append(Sse(few.port, "/api/events"))
    with connect(f"ws://127.0.0.1:{few.port}/ws/tasks/{task_id}") as socket:
        socket.recv(timeout=PATIENCE_S)
        problem.check(few.client.get(f"/api/tasks/{task_id}/events"), 429, "too-many-streams")
        problem.check(few.client.get("/api/events"), 429, "too-many-streams")
        with connect(f"ws://127.0.0.1:{few.port}/ws/tasks/{task_id}") as refused:
            with pytest.raises(ConnectionClosed):
                refused.recv(timeout=PATIENCE_S)
            assert refused.close_code == 1013
        assert few.client.head(f"/api/tasks/{task_id}/events").status_code == 429
        streams.pop().close()
    streams += [_once_allowed(few, task_id), _once_allowed(few, task_id)]
    assert few.client.get(f"/api/tasks/{task_id}/events").status_code == 429
    for stream in streams:
        stream.close()
    # Whatever was refused, not begun or broken off holds no place.
    for _ in range(10):
        few.client.head(f"/api/tasks/{task_id}/events")
        few.client.get("/api/tasks/01999999-0000-7000-8000-000000000000/events")
        few.client.get(f"/api/tasks/{task_id}/events?after=x")
    streams = [_once_allowed(few, task_id) for _ in range(5)]
    for stream in streams:
        stream.reset()


def _once_allowed(web: Web, task_id: str) -> Sse:
    def tried() -> Sse | None:
        stream = web.events(task_id)
        if stream.status == 200:
            return stream
        stream.close()
        return None

    found: Sse = wait_until(tried, "a place is free")
    return found


def test_there_is_a_limit_for_the_whole_process_as_well(stack: Stack) -> None:
    with stack.more(streams=2) as web:
        task_id = waiting_task(web)
        streams = [web.events(task_id) for _ in range(2)]
        answer = web.client.get(f"/api/tasks/{task_id}/events")
        assert "this process" in problem.check(answer, 429, "too-many-streams")["detail"]
        for stream in streams:
            stream.close()
