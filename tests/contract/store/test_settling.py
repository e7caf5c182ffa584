"""Confirmed tasks leave the outbox: also while a submitter closes, and while Redis is full."""

import asyncio
from typing import Any

from callboard.broker.embedded import EmbeddedBroker
from callboard.broker.embedded_publisher import EmbeddedPublisher
from callboard.local.redis import RedisServer
from callboard.store import calls
from callboard.store.calls import Idempotency
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from callboard.submit import Submitter
from callboard.tasks.registry import Registry
from tests.contract.store.bench import Bench, record

KEY = Idempotency("key", "a" * 64, b"{}")


class Watched:
    """A store that tells when it has been asked."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.asked = asyncio.Event()

    async def run(self, call: Any) -> Any:
        self.asked.set()
        return await self._bench.run(call)


async def test_who_is_closed_while_it_clears_the_outbox_ends_that_first(bench: Bench) -> None:
    broker, store = EmbeddedBroker([]), Watched(bench)
    broker.declare_queue("default")
    submitter = Submitter(Registry(), store, EmbeddedPublisher(broker), bench.keys)
    task = await bench.create()
    await submitter.send(task)
    await store.asked.wait()
    await submitter.close()
    assert "outbox" not in bench.holding(task)
    broker.close()


def test_a_full_redis_still_hears_of_confirms(redis_server: RedisServer, namespace: str) -> None:
    client: Any = sync_client(redis_server.url)
    store, keys, task = SyncStore(client), keys_for(namespace), record()
    store.run(calls.create(keys, task, KEY))
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", "1")
    try:
        store.run(calls.settle(keys, [(task.task_id, task.version)]))
    finally:
        client.config_set("maxmemory", before)
    assert client.zscore(keys.outbox, task.task_id) is None
    assert store.run(calls.create(keys, record(), KEY)).kind == "replay"
    client.delete(*client.keys(f"{keys.prefix}*"))
    store.close()
