"""Full queues, a full, frozen or dead Redis, an alarmed RabbitMQ: 503 with Retry-After, nothing accepted,
nothing hanging, and everything as before once it is over, without a restart.
"""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store.clients import sync_client
from tests.integration.api import problem, serving
from tests.integration.api.serving import Board, body
from tests.patience import stand_still, wait_until

LIMIT = 5
REVERSE = ("reverse_text", {"text": "a"})


@pytest.fixture(scope="module")
def web(
    own_rabbitmq: RabbitNode, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Board]:
    """`callboard web` on servers that may be broken, all through this module the same process."""
    folder = tmp_path_factory.mktemp("web")
    with serving.web_only(folder, own_rabbitmq, own_redis, f"t{secrets.token_hex(6)}") as board:
        yield board
        assert board.new_bugs() == []


@pytest.fixture
def looker(own_redis: RedisServer) -> Iterator[redis.Redis]:
    with sync_client(own_redis.url) as client:
        yield client


def post(board: Board, **fields: Any) -> httpx.Response:
    return board.client.post("/api/tasks", json=body("reverse_text", {"text": "a"}, **fields))


def refused(answer: httpx.Response) -> str:
    """Return the detail of a 503 that says when to come back."""
    found = problem.check(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    return str(found["detail"])


def wait_refused(ask: Callable[[], httpx.Response]) -> None:
    wait_until(lambda: ask().status_code == 503, what="a 503")


def wait_accepted(board: Board) -> None:
    """Wait until tasks are accepted again, by the same process."""
    wait_until(lambda: post(board, tags=["after"]).status_code == 202, what="a 202")
    assert board.processes[0].alive


def tagged(board: Board, tag: str) -> list[str]:
    answer = board.client.get("/api/tasks", params={"tag": tag, "limit": 200})
    return [each["task_id"] for each in answer.json()["tasks"]]


@pytest.fixture(params=["embedded", "web"])
def limited(
    request: pytest.FixtureRequest,
    rabbitmq: RabbitNode,
    redis_server: RedisServer,
    tmp_path: Path,
    namespace: str,
) -> Iterator[Board]:
    """Callboard whose queues may hold LIMIT tasks, in both modes, and whose only thread is busy."""
    if request.param == "embedded":
        made = serving.embedded(tmp_path, queue_limit=LIMIT, threads=1)
    else:
        made = serving.web_only(tmp_path, rabbitmq, redis_server, namespace, queue_limit=LIMIT)
    with made as board:
        board.submit("long_running", {"duration": 3600}, tags=["busy"])
        yield board
        assert board.new_bugs() == []


def test_a_full_queue_refuses_and_the_others_do_not(limited: Board) -> None:
    while (answer := post(limited, tags=["full"])).status_code == 202:
        pass
    assert f"and {LIMIT} may (CALLBOARD_QUEUE_LIMIT)" in refused(answer)
    recorded = tagged(limited, "full")
    assert refused(post(limited, tags=["full"]))
    batch = limited.client.post(
        "/api/tasks/batch", json={"tasks": [body(*REVERSE, tags=["full"])] * 2}
    ).json()
    assert [each["status"] for each in batch["tasks"]] == [503, 503]
    assert tagged(limited, "full") == recorded
    mail = {"to": "ann@example.org", "subject": "s", "body": "b"}
    assert limited.submit("email_sending", mail)["queue"] == "email"

    order = {"action": "cancel", "filter": {"status": ["queued", "running"], "queue": "default"}}
    answer = limited.client.post("/api/tasks/bulk", json=order)
    limited.client.get(answer.headers["Location"], params={"wait": 30})
    wait_accepted(limited)


def test_without_a_limit_no_queue_is_full(web: Board) -> None:
    tasks = [body(*REVERSE, tags=["many"])] * 200
    answer = web.client.post("/api/tasks/batch", json={"tasks": tasks}).json()
    assert {each["status"] for each in answer["tasks"]} == {202}


def test_a_full_redis_refuses_but_can_be_read_and_cleared(web: Board, looker: redis.Redis) -> None:
    ended = web.submit(*REVERSE, tags=["full-redis"])["task_id"]
    web.client.post(f"/api/tasks/{ended}/cancel")
    looker.config_set("maxmemory", 1)
    try:
        assert "OutOfMemory" in refused(post(web, tags=["full-redis"]))
        refused(web.client.post("/api/tasks/bulk", json={"action": "cancel", "filter": {"status": "queued"}}))
        assert tagged(web, "full-redis") == [ended]
        assert web.client.delete(f"/api/tasks/{ended}").status_code == 204
    finally:
        looker.config_set("maxmemory", 0)
    assert post(web).status_code == 202
    assert tagged(web, "full-redis") == []


def test_a_dead_redis_refuses_and_is_found_again(web: Board, own_redis: RedisServer) -> None:
    kept = web.submit(*REVERSE, tags=["dead-redis"])["task_id"]
    own_redis.kill()
    try:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: post(web, tags=["dead-redis"]), range(200)))
        assert all(refused(answer) for answer in answers)
        ready = web.client.get("/readyz")
        assert (ready.status_code, ready.json()["redis"]["ok"]) == (503, False)
        refused(web.client.get(f"/api/tasks/{kept}"))
        assert web.client.get("/healthz").status_code == 200
    finally:
        own_redis.start()
        own_redis.wait_ready()
    wait_accepted(web)
    assert tagged(web, "dead-redis") in ([kept], [])  # the last second of a killed Redis may be lost


def test_a_frozen_redis_makes_nobody_wait_and_its_refused_tasks_do_not_run_later(
    web: Board, own_redis: RedisServer
) -> None:
    stand_still(own_redis.pid)
    try:
        # Every one of them would wait for 2 s: they would not end in this test's time.
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: post(web, tags=["frozen"]), range(500)))
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert all(refused(answer) for answer in answers)
    uncertain = [answer.json()["task_id"] for answer in answers if "task_id" in answer.json()]
    assert len(uncertain) < 100
    wait_accepted(web)

    def taken_back() -> bool:
        return tagged(web, "frozen") == []

    wait_until(taken_back, what="what was refused is gone")
    for task_id in uncertain:
        assert web.client.get(f"/api/tasks/{task_id}").status_code == 404


def test_an_alarmed_rabbitmq_refuses_and_is_used_again(web: Board, own_rabbitmq: RabbitNode) -> None:
    own_rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        wait_refused(lambda: post(web, tags=["alarm"]))
        answers = [post(web, tags=["alarm"]) for _ in range(200)]  # none of them waits for a confirm
        assert all("accepts no messages now" in refused(answer) for answer in answers)
        ready = web.client.get("/readyz")
        assert (ready.status_code, ready.json()["rabbitmq"]["ok"]) == (503, False)
    finally:
        own_rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
    wait_accepted(web)


def test_a_dead_rabbitmq_refuses_and_is_used_again(web: Board, own_rabbitmq: RabbitNode) -> None:
    own_rabbitmq.kill()
    try:
        wait_refused(lambda: post(web))
        answers = [post(web, tags=["dead-rabbitmq"]) for _ in range(200)]
        assert all("RabbitMQ" in refused(answer) for answer in answers)
        assert tagged(web, "dead-rabbitmq") == []
    finally:
        own_rabbitmq.start()
        own_rabbitmq.wait_ready()
    wait_accepted(web)


def test_a_frozen_rabbitmq_makes_few_wait_and_its_refused_tasks_do_not_run_later(
    web: Board, own_rabbitmq: RabbitNode
) -> None:
    stand_still(own_rabbitmq.pid)
    try:
        # Every one of them would wait for the confirm's time limit: they would not end in this test's time.
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: post(web, tags=["frozen-rabbitmq"]), range(400)))
        ready = web.client.get("/readyz")
        assert (ready.status_code, ready.json()["rabbitmq"]["ok"]) == (503, False)
    finally:
        os.kill(own_rabbitmq.pid, signal.SIGCONT)
    details = [refused(answer) for answer in answers]
    assert sum("has said nothing" in each for each in details) > 300
    wait_accepted(web)
    wait_until(lambda: tagged(web, "frozen-rabbitmq") == [], what="what was refused is gone")
