"""Runs each test of the store four ways: in process and on a real Redis, through both executors."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from callboard.settings import MEMORY
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from tests.contract.store.bench import Bench, Watcher


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the address of a server of either kind."""
    if request.param == "memory":
        return MEMORY
    address: str = request.getfixturevalue("redis_server").url
    return address


@pytest.fixture(params=["sync", "async"])
async def bench(request: pytest.FixtureRequest, url: str, namespace: str) -> AsyncIterator[Bench]:
    """Yield a store of either kind in a namespace of its own."""
    client = sync_client(url)
    keys = keys_for(namespace)
    store = SyncStore(sync_client(url)) if request.param == "sync" else AsyncStore(async_client(url))
    bench = Bench(store.run, keys, client)
    yield bench
    bench.clear()
    closing = store.close()
    if closing is not None:
        await closing
    client.close()


@pytest.fixture
def watch() -> Iterator[Callable[[Bench], Watcher]]:
    """Return a function that starts to listen to all channels of a bench."""
    with ExitStack() as open_watchers:

        def start(bench: Bench) -> Watcher:
            watcher = Watcher(bench)
            open_watchers.callback(watcher.close)
            return watcher

        yield start


@pytest.fixture
def memory_bench(namespace: str) -> Iterator[Bench]:
    """Yield a blocking store in process, for tests whose subject is not the executor."""
    client = sync_client(MEMORY)
    bench = Bench(SyncStore(client).run, keys_for(namespace), client)
    yield bench
    bench.clear()
    client.close()
