"""A connection to Redis that is cut while it is idle costs nobody anything, on the web process's own loop."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from callboard.local.redis import RedisServer
from callboard.store import calls
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client
from tests.chaos.proxy import Proxy

LINK = "web-redis"


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """A way to Redis that can be cut."""
    made = Proxy({LINK: redis_server.port})
    yield made
    made.stop()


def test_the_next_call_takes_a_fresh_connection(redis_server: RedisServer, proxy: Proxy) -> None:
    """A cut is a RuntimeError in uvloop and no ConnectionResetError: clients were answered 500."""
    url = redis_server.url.replace(f":{redis_server.port}/", f":{proxy.ports[LINK]}/")

    async def work() -> None:
        store = AsyncStore(async_client(url))
        loop = asyncio.get_running_loop()
        for number in (1, 3):  # a single command, and a pipeline
            assert all(await asyncio.gather(*(store.run(calls.ping()) for _ in range(number))))
            await loop.run_in_executor(None, proxy.do, "cut", LINK)
            await asyncio.wait([loop.create_future()], timeout=0.2)  # the loop notices
            assert all(await asyncio.gather(*(store.run(calls.ping()) for _ in range(number))))
        await store.close()

    uvloop.run(work())
