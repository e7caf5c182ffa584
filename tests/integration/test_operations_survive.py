"""An operation outlives the web process that carries it out: killed in the middle, another one ends it."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pika
import pytest
import redis

from callboard.broker.topology import Topology
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store import calls
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import keys_for
from callboard.tasks.states import State
from tests.contract.store.bench import ERROR, Bench, record
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.patience import wait_until

TASKS = 2_000


@pytest.fixture
def two_webs(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path: Path
) -> Iterator[tuple[Board, Board]]:
    """Two web processes of one installation, without a worker."""
    namespace = f"t{secrets.token_hex(6)}"
    with ExitStack() as stack:
        made = [
            stack.enter_context(serving.web_only(tmp_path / name, rabbitmq, redis_server, namespace))
            for name in ("one", "other")
        ]
        yield made[0], made[1]


@pytest.fixture
def looker(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client that looks into Redis."""
    with sync_client(redis_server.url) as client:
        yield client


async def fill(url: str, namespace: str) -> list[str]:
    """Make tasks that have failed, as fast as that goes; return their ids."""
    store = AsyncStore(async_client(url))
    client = sync_client(url)
    bench = Bench(store.run, keys_for(namespace), client)

    async def one() -> str:
        task = record(task_type="flaky")
        await bench.run(calls.create(bench.keys, task, None))
        await bench.run(calls.settle(bench.keys, [(task.task_id, task.version)]))
        claim = await bench.claim(task)
        await bench.conclude(task, claim.run, State.FAILED, error=ERROR)
        return task.task_id

    made = await asyncio.gather(*(one() for _ in range(TASKS)))
    await store.close()
    client.close()
    return list(made)


def done(looker: redis.Redis, key: str) -> int:
    found: Any = looker.hget(key, "done")
    return int(found or 0)


def test_a_killed_web_process_leaves_no_task_out_and_does_none_twice(
    two_webs: tuple[Board, Board], looker: redis.Redis, redis_server: RedisServer, rabbitmq: RabbitNode
) -> None:
    one, other = two_webs
    made = asyncio.run(fill(redis_server.url, one.namespace))
    keys = keys_for(one.namespace)
    sent = {"action": "retry", "filter": {"status": "failed"}, "expect": TASKS}
    operation = one.client.post("/api/tasks/bulk", json=sent).json()
    key = keys.operation(operation["operation_id"])
    wait_until(lambda: done(looker, key) > 0, what="it has begun", every_s=0.001)
    one.processes[0].kill()
    assert 0 < done(looker, key) < TASKS, "it was to be killed in the middle"

    looker.hset(key, "lease_ms", 0)  # the other waits for its end, 5 s
    found = other.client.get(operation["links"]["self"], params={"wait": 30}).json()
    assert (found["status"], found["matched"]) == ("finished", TASKS)
    assert (found["done"], found["changed"], found["refused"]) == (TASKS, TASKS, 0)
    with looker.pipeline() as pipe:
        for task_id in made:
            pipe.hmget(keys.task(task_id), "status", "version", "attempt_limit")
        states = {tuple(each) for each in pipe.execute()}
    assert states == {(b"queued", b"4", b"5")}  # each was queued again exactly once

    # What the dead one queued and did not send is sent by the other; here without waiting 10 s for that.
    left: Any = looker.zrange(keys.outbox, 0, -1)
    if left:
        looker.zadd(keys.outbox, dict.fromkeys(left, 1), xx=True)
    wait_until(lambda: looker.zcard(keys.outbox) == 0, what="the outbox is empty")
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        queue = Topology(one.namespace).work_queue("default")
        waiting = connection.channel().queue_declare(queue, passive=True).method.message_count
    assert waiting >= TASKS
    assert other.new_bugs() == []
