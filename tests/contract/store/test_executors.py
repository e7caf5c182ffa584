"""The two executors themselves: few round trips, any server state, errors with a cause, no hang."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from callboard.errors import Unavailable
from callboard.local.redis import RedisServer
from callboard.store import aio, calls
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import keys_for
from callboard.store.scripts import Call
from callboard.store.sync import SyncStore
from callboard.tasks.states import State
from tests.contract.store.bench import Bench, record
from tests.patience import stand_still
from tests.servers import running_redis

KEYS = keys_for("t-executors")


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a Redis that nobody else uses, so that it can be counted and broken."""
    with running_redis(tmp_path_factory.mktemp("own-redis")) as server:
        yield server


@pytest.fixture
async def store(own_redis: RedisServer) -> AsyncIterator[AsyncStore]:
    """Yield an asynchronous store on it."""
    store = AsyncStore(async_client(own_redis.url))
    yield store
    await store.close()


@pytest.fixture
def blocking_store(own_redis: RedisServer) -> Iterator[SyncStore]:
    """Yield a blocking store on it."""
    store = SyncStore(sync_client(own_redis.url))
    yield store
    store.close()


@pytest.fixture
def looker(own_redis: RedisServer) -> Iterator[redis.Redis]:
    """Yield a client that looks on."""
    with sync_client(own_redis.url) as client:
        yield client


def reads(looker: redis.Redis) -> int:
    """Return how often Redis has read from a connection: at least one for each round trip."""
    return int(looker.info("stats")["total_reads_processed"])


async def test_calls_of_one_tick_travel_together(store: AsyncStore, looker: redis.Redis) -> None:
    await store.run(calls.ping())  # connects
    before = reads(looker)
    answers = await asyncio.gather(*(store.run(calls.read(KEYS, record().task_id)) for _ in range(200)))
    own_look = 1
    assert reads(looker) - before - own_look <= 20
    assert answers == [None] * 200


async def test_more_calls_than_one_pipeline_holds_all_get_their_answer(
    store: AsyncStore, looker: redis.Redis
) -> None:
    await asyncio.gather(store.run(calls.ping()), store.run(calls.ping()))
    number = aio.PIPELINE_MOST * 4 + 7
    before = reads(looker)
    tasks = [record() for _ in range(number)]
    answers = await asyncio.gather(*(store.run(calls.create(KEYS, task, None)) for task in tasks))
    assert answers == [calls.Created("created", task.task_id) for task in tasks]
    assert reads(looker) - before < number / 4


async def test_each_call_gets_its_own_answer(store: AsyncStore) -> None:
    numbers = range(300)
    echo = [Call(int, ["ECHO", str(n)]) for n in numbers]
    assert await asyncio.gather(*(store.run(call) for call in echo)) == list(numbers)


async def test_calls_made_while_a_pipeline_is_under_way_are_not_forgotten(store: AsyncStore) -> None:
    async def chain(links: int) -> int:
        for n in range(links):
            await store.run(Call(int, ["ECHO", str(n)]))
        return links

    assert await asyncio.gather(*(chain(n) for n in range(40))) == list(range(40))


async def test_a_call_that_redis_refuses_does_not_harm_its_neighbours(store: AsyncStore) -> None:
    mixed = [calls.ping(), Call(bool, ["NO-SUCH-COMMAND"]), calls.ping()]
    answers = await asyncio.gather(*(store.run(call) for call in mixed), return_exceptions=True)
    good, bad, other = answers
    assert (good, other) == (True, True)
    assert isinstance(bad, redis.ResponseError)  # a bug of ours, and no outage


async def test_a_call_that_cannot_even_be_sent_does_not_harm_its_neighbours(store: AsyncStore) -> None:
    unsendable = Call(bool, ["ECHO", "\ud800"])
    mixed = [unsendable if n % 3 == 1 else calls.ping() for n in range(9)]
    answers = await asyncio.gather(*(store.run(call) for call in mixed), return_exceptions=True)
    assert [answer is True for answer in answers] == [n % 3 != 1 for n in range(9)]
    assert await store.run(calls.ping())


async def test_a_caller_that_gives_up_does_not_harm_the_others(store: AsyncStore) -> None:
    waiting = [asyncio.ensure_future(store.run(Call(int, ["ECHO", str(n)]))) for n in range(10)]
    waiting[3].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[3], asyncio.CancelledError)
    assert [answer for n, answer in enumerate(answers) if n != 3] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


async def test_scripts_that_the_server_has_forgotten_are_sent_again(bench: Bench) -> None:
    task = await bench.create()
    bench.client.script_flush()
    assert (await bench.claim(task)).kind == "run"
    bench.client.script_flush()
    counted = await bench.run(calls.counts(bench.keys))
    assert len(counted) == len(State)
    bench.client.script_flush()
    _, _, found = await asyncio.gather(bench.create(), bench.create(), bench.read(task))
    assert found.status == "running"


async def test_a_script_that_is_sent_again_runs_once(bench: Bench) -> None:
    bench.client.script_flush()
    task = await bench.create()
    assert (await bench.read(task)).version == 1


async def test_scripts_of_a_whole_tick_are_sent_again_after_a_flush(
    store: AsyncStore, looker: redis.Redis
) -> None:
    tasks = [record() for _ in range(50)]
    looker.script_flush()
    await asyncio.gather(*(store.run(calls.create(KEYS, task, None)) for task in tasks))
    found = await asyncio.gather(*(store.run(calls.read(KEYS, task.task_id)) for task in tasks))
    assert [task and task.version for task in found] == [1] * 50


def test_many_threads_may_share_the_blocking_store(blocking_store: SyncStore) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> list[int]:
        start.wait()
        return [blocking_store.run(Call(int, ["ECHO", str(number + n)])) for n in range(50)]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(work, range(0, 800, 100)))
    assert found == [list(range(n, n + 50)) for n in range(0, 800, 100)]


async def test_a_stopped_redis_is_unavailable_at_once_and_found_again_when_it_is_back(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        store, blocking_store = AsyncStore(async_client(server.url)), SyncStore(sync_client(server.url))
        task = record()
        await store.run(calls.create(KEYS, task, None))
        blocking_store.run(calls.ping())
        server.stop()
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"Redis cannot serve now: \w*ConnectionError"):
                await store.run(calls.ping())
            with pytest.raises(Unavailable, match=r"Redis cannot serve now: \w*ConnectionError"):
                blocking_store.run(calls.ping())
        down = await asyncio.gather(*(store.run(calls.ping()) for _ in range(600)), return_exceptions=True)
        assert {type(answer) for answer in down} == {Unavailable}
        server.start()
        server.wait_ready()
        found = await store.run(calls.read(KEYS, task.task_id))
        assert found == blocking_store.run(calls.read(KEYS, task.task_id)) == task
        await store.close()
        blocking_store.close()


async def test_a_killed_redis_breaks_what_is_under_way_and_nothing_after_it(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        store, blocking_store = AsyncStore(async_client(server.url)), SyncStore(sync_client(server.url))
        await asyncio.gather(store.run(calls.ping()), store.run(calls.ping()))
        blocking_store.run(calls.ping())
        under_way = [asyncio.ensure_future(store.run(Call(bool, ["BLPOP", "never", "0"]))) for _ in range(2)]
        with sync_client(server.url) as looker:
            while looker.info("clients")["blocked_clients"] < 1:
                await asyncio.wait(under_way, timeout=0.01)
        server.kill()
        broken = await asyncio.gather(*under_way, return_exceptions=True)
        assert {type(answer) for answer in broken} == {Unavailable}
        server.start()
        server.wait_ready()
        assert await store.run(calls.ping())
        assert blocking_store.run(calls.ping())
        await store.close()
        blocking_store.close()


async def test_a_frozen_redis_is_unavailable_after_the_timeout_and_not_a_hang(
    own_redis: RedisServer, store: AsyncStore, blocking_store: SyncStore
) -> None:
    await store.run(calls.ping())
    blocking_store.run(calls.ping())
    stand_still(own_redis.pid)
    try:
        answers = await asyncio.gather(
            asyncio.to_thread(blocking_store.run, calls.ping()),
            *(store.run(calls.ping()) for _ in range(20)),
            return_exceptions=True,
        )
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert await store.run(calls.ping())
    assert blocking_store.run(calls.ping())


async def test_no_error_shows_the_password(own_redis: RedisServer) -> None:
    wrong = own_redis.url.replace("redis://:", "redis://:not-the-")
    store = SyncStore(sync_client(wrong))
    with pytest.raises(Unavailable) as caught:
        store.run(calls.ping())
    assert "not-the-" not in str(caught.value)
    assert own_redis.url.split("@")[0].removeprefix("redis://:") not in str(caught.value)
    store.close()
