"""What a finished task costs: the target is 1.2 KB of Redis, indexes and events included."""

import asyncio
from pathlib import Path

from callboard.store import calls
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import keys_for
from callboard.tasks.states import State
from tests.contract.store.bench import TTL_S, record
from tests.servers import running_redis

TASKS = 2_000
TARGET_BYTES = 1.2 * 1024
KEYS = keys_for("t-memory")


async def finish(store: AsyncStore) -> None:
    """Take one small task through its ordinary life."""
    task = record()
    await store.run(calls.create(KEYS, task, None))
    await store.run(calls.settle(KEYS, [(task.task_id, task.version)]))
    claim = await store.run(calls.claim(KEYS, task.task_id, "worker-1.example.org:4711", 0, None))
    ending = calls.Ending(task_id=task.task_id, run=claim.run, outcome=State.SUCCEEDED, result=b'"desserts"')
    assert await store.run(calls.conclude(KEYS, ending, TTL_S)) == "recorded"


async def test_a_finished_small_task_takes_at_most_1200_bytes(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server, sync_client(server.url) as looker:
        store = AsyncStore(async_client(server.url))

        async def some(number: int) -> int:
            await asyncio.gather(*(finish(store) for _ in range(number)))
            return int(looker.info("memory")["used_memory"])

        before = await some(100)  # scripts, connections and the first index nodes are there now
        after = await some(TASKS)
        await store.close()
    each = (after - before) / TASKS
    print(f"\nRedis memory of a finished small task: {each:.0f} bytes")
    assert each <= TARGET_BYTES
