"""A Redis that a real Sentinel watches: executors and subscriptions of both kinds go on after a failover."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from callboard.errors import Unavailable
from callboard.live.feed import Feed, LookAgain
from callboard.live.hub import Hub
from callboard.local.ports import free_ports
from callboard.local.process import ServerProcess, find_program
from callboard.store import calls
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import Keys
from callboard.store.schedulers import beat, seen
from callboard.store.subscription import SyncSubscription
from callboard.store.sync import SyncStore
from tests.patience import PATIENCE_S, wait_until
from tests.servers import require_servers

PASSWORD = "a-password-of-redis"
SENTINEL_PASSWORD = "another-of-sentinel"
KEYS = Keys("s:")


@dataclass
class Watched:
    """Two Redis servers, one the replica of the other, and a Sentinel that swaps them."""

    processes: dict[int, ServerProcess]
    sentinel_port: int

    @property
    def url(self) -> str:
        query = f"name=mine&sentinel_password={SENTINEL_PASSWORD}"
        # The first Sentinel of the list is not there.
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{self.sentinel_port}/0?{query}"

    def sentinel(self) -> redis.Redis:
        return redis.Redis(port=self.sentinel_port, password=SENTINEL_PASSWORD, decode_responses=True)

    def master(self) -> int:
        with self.sentinel() as sentinel:
            return int(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mine")[1])

    def role(self, port: int) -> str:
        with redis.Redis(port=port, password=PASSWORD) as client:
            return str(client.execute_command("ROLE")[0].decode())

    def follows(self, port: int) -> bool:
        with redis.Redis(port=port, password=PASSWORD) as client:
            return str(client.info("replication").get("master_link_status")) == "up"

    def replicates(self) -> bool:
        with self.sentinel() as sentinel:
            replicas = sentinel.execute_command("SENTINEL", "REPLICAS", "mine")
            return any(each.get("master-link-status") == "ok" for each in replicas)


def _answers(port: int, password: str) -> bool:
    with redis.Redis(port=port, password=password) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    require_servers()
    program = str(find_program("redis-server", "valkey-server"))
    first, second, sentinel = free_ports(3)
    common = f'bind 127.0.0.1\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\nappendonly yes\nsave ""\n'
    fast = "repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n"
    texts = {
        first: f"port {first}\n{common}{fast}",
        second: f"port {second}\n{common}{fast}replicaof 127.0.0.1 {first}\n",
        sentinel: f"port {sentinel}\nbind 127.0.0.1\nrequirepass {SENTINEL_PASSWORD}\n"
        f"sentinel monitor mine 127.0.0.1 {first} 1\nsentinel auth-pass mine {PASSWORD}\n"
        "sentinel down-after-milliseconds mine 500\nsentinel failover-timeout mine 3000\n",
    }
    made = Watched({}, sentinel)
    with contextlib.ExitStack() as running:
        for port, text in texts.items():
            if port == sentinel:  # it looks for replicas when it starts, and then every 10 s
                wait_until(lambda: made.follows(second), what="the replica follows")
            folder = tmp_path / str(port)
            folder.mkdir()
            (folder / "conf").write_text(f"{text}dir {folder}\n")
            process = ServerProcess(f"Redis {port}", folder / "log")
            mode = ["--sentinel"] if port == sentinel else []
            process.start([program, str(folder / "conf"), *mode], {"LC_ALL": "C.UTF-8"})
            running.callback(process.kill)
            made.processes[port] = process
            password = SENTINEL_PASSWORD if port == sentinel else PASSWORD
            process.wait_until(
                lambda p=port, w=password: _answers(p, w), timeout_s=PATIENCE_S, what="it answers"
            )
        wait_until(made.replicates, what="the Sentinel knows a replica that follows")
        yield made


def kill_the_master(watched: Watched) -> None:
    watched.processes[watched.master()].kill()


def swap_them(watched: Watched) -> None:
    """Both live: the old master goes on as the replica of the new one."""
    old = watched.master()
    with watched.sentinel() as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", "mine")
    wait_until(lambda: watched.master() != old, what="the Sentinel names another master")
    wait_until(lambda: watched.role(old) == "slave", what="the old one follows")


@pytest.fixture
async def web(watched: Watched) -> AsyncIterator[tuple[AsyncStore, Hub]]:
    store, hub = AsyncStore(async_client(watched.url)), Hub(async_client(watched.url), KEYS.prefix)
    hub.start()
    yield store, hub
    await hub.close()
    await store.close()


@pytest.fixture
def worker(watched: Watched) -> Iterator[tuple[SyncStore, SyncSubscription]]:
    client = sync_client(watched.url)
    store, listener = SyncStore(sync_client(watched.url)), SyncSubscription(client, "s:channel")
    yield store, listener
    listener.close()
    client.close()
    store.close()


@pytest.mark.parametrize("failover", [kill_the_master, swap_them])
async def test_everything_goes_on_with_the_new_master(
    watched: Watched,
    web: tuple[AsyncStore, Hub],
    worker: tuple[SyncStore, SyncSubscription],
    failover: Callable[[Watched], None],
) -> None:
    (store, hub), (blocking, listener) = web, worker
    await store.run(beat(KEYS, "before"))
    await asyncio.to_thread(lambda: (blocking.run(beat(KEYS, "before 2")), listener.next(0.2)))
    old = watched.master()
    with redis.Redis(port=old, password=PASSWORD) as client:
        assert client.wait(1, int(PATIENCE_S * 1000)) >= 1, (
            "the replica has what is written: replication is asynchronous"
        )
    with hub.watch_all(Feed()) as feed:
        await asyncio.wait_for(feed.subscribed(), PATIENCE_S)
        await asyncio.to_thread(failover, watched)
        async with asyncio.timeout(PATIENCE_S):
            while not await _written(store):
                await asyncio.to_thread(watched.master)  # a moment, in which others run
            # The hub tells every feed to look again when it has subscribed to the new master.
            with pytest.raises(LookAgain):
                await feed.next()
    assert watched.master() != old

    def works() -> bool:
        try:
            blocking.run(beat(KEYS, "after 2"))
        except Unavailable:
            return False
        return True

    def hears() -> bool:
        with redis.Redis(port=watched.master(), password=PASSWORD) as client:
            client.publish("s:channel", "hello")
        with contextlib.suppress(Unavailable):
            return listener.next(0.3) == "hello"
        return False

    await asyncio.to_thread(wait_until, works, what="the blocking store writes again")
    await asyncio.to_thread(wait_until, hears, what="the subscription hears the new master")
    assert set((await store.run(seen(KEYS))).beats) == {"before", "before 2", "after", "after 2"}


async def _written(store: AsyncStore) -> bool:
    try:
        await store.run(beat(KEYS, "after"))
    except Unavailable:
        return False
    return True


def test_no_sentinel_that_answers_is_an_outage() -> None:
    client = sync_client(f"redis+sentinel://:{PASSWORD}@127.0.0.1:1/0?name=mine")
    store = SyncStore(client)
    with pytest.raises(Unavailable):
        store.run(calls.ping())
    store.close()
