"""A Redis that takes what it is sent and says nothing: nobody waits for it but those who find out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callboard.errors import Unavailable
from callboard.local.redis import RedisServer
from callboard.store import calls, clients
from callboard.store.aio import LANES, LOOK_S, LOOKS, PIPELINE_MOST, AsyncStore
from callboard.store.clients import async_client
from callboard.store.keys import keys_for
from callboard.store.scripts import Call
from tests.contract.store.bench import record
from tests.contract.store.gate import Gate
from tests.patience import PATIENCE_S

PING = calls.ping()


@pytest.fixture(autouse=True)
def shorter_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as long as it takes until a silent Redis is in doubt."""
    monkeypatch.setitem(clients._OPTIONS, "socket_timeout", 2 * LOOKS * LOOK_S)


@pytest.fixture
async def gate(redis_server: RedisServer) -> AsyncIterator[Gate]:
    made = Gate(redis_server.url)
    yield made
    await made.close()


@pytest.fixture
async def store(gate: Gate) -> AsyncIterator[AsyncStore]:
    """A store behind the gate, connected."""
    made = AsyncStore(async_client(await gate.start()))
    assert await asyncio.gather(made.run(PING), made.run(PING))
    yield made
    gate.open()
    await made.close()


@pytest.fixture
def no_timeout(shorter_timeout: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket gives up before Redis is in doubt, however slow the machine is: doubt counts looks."""
    monkeypatch.setitem(clients._OPTIONS, "socket_timeout", PATIENCE_S)


async def failure(store: AsyncStore) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await store.run(PING)
    return caught.value


async def until_refused(store: AsyncStore) -> list["asyncio.Task[bool]"]:
    """Make calls until one is refused without being sent; return those made before it."""
    made: list[asyncio.Task[bool]] = []
    while True:
        made.append(asyncio.ensure_future(store.run(PING)))
        await asyncio.wait(made[-1:], timeout=0.05)
        if made[-1].done():
            error = made.pop().exception()
            assert isinstance(error, Unavailable)
            assert error.nothing_done
            assert "has not answered" in str(error)
            return made


@pytest.mark.usefixtures("no_timeout")
async def test_only_those_who_find_out_wait_for_a_silent_redis(gate: Gate, store: AsyncStore) -> None:
    gate.shut()
    made = await until_refused(store)
    sent = gate.received
    for _ in range(1000):  # each would wait for the gate: they would never end
        assert (await failure(store)).nothing_done
    assert gate.received == sent
    await gate.close()
    errors = await asyncio.gather(*made, return_exceptions=True)
    certain = [isinstance(each, Unavailable) and each.nothing_done for each in errors]
    assert certain[:LANES] == [False] * LANES  # they may have been done
    assert all(certain[LANES:])


async def test_what_had_not_been_sent_is_refused_with_the_rest(gate: Gate, store: AsyncStore) -> None:
    gate.shut()
    under_way = 2 * PIPELINE_MOST
    answers = await asyncio.gather(*(store.run(PING) for _ in range(under_way + 300)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    certain = [isinstance(answer, Unavailable) and answer.nothing_done for answer in answers]
    assert certain.count(True) >= 300
    assert not any(certain[:PIPELINE_MOST])


@pytest.mark.usefixtures("no_timeout")
async def test_it_is_found_again_when_it_answers(gate: Gate, store: AsyncStore) -> None:
    gate.shut()
    made = await until_refused(store)
    gate.open()
    assert all(await asyncio.gather(*made[:LANES]))  # the answers came after all
    await asyncio.gather(*made, return_exceptions=True)
    assert all(await asyncio.gather(*(store.run(PING) for _ in range(50))))


async def test_it_is_found_again_after_it_was_given_up(gate: Gate, store: AsyncStore) -> None:
    gate.shut()
    await asyncio.gather(*(failure(store) for _ in range(LANES)))
    assert (await failure(store)).nothing_done is False  # that one was to find out
    gate.open()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await store.run(PING)
                break
            except Unavailable:
                continue
    assert all(await asyncio.gather(*(store.run(PING) for _ in range(50))))


@pytest.mark.usefixtures("no_timeout")
async def test_a_refused_call_never_reaches_redis(gate: Gate, store: AsyncStore, namespace: str) -> None:
    keys = keys_for(namespace)
    gate.shut()
    made = await until_refused(store)
    task = record()
    with pytest.raises(Unavailable) as caught:
        await store.run(calls.create(keys, task, None))
    assert caught.value.nothing_done
    gate.open()
    await asyncio.gather(*made, return_exceptions=True)
    assert await store.run(calls.read(keys, task.task_id)) is None


async def test_nothing_is_left_running_afterwards(redis_server: RedisServer) -> None:
    before = asyncio.all_tasks()
    gate = Gate(redis_server.url)
    store = AsyncStore(async_client(await gate.start()))
    gate.shut()
    await asyncio.gather(*(store.run(PING) for _ in range(20)), return_exceptions=True)
    await store.close()
    await gate.close()
    assert asyncio.all_tasks() - before == set()


async def test_a_long_answer_is_no_silence(gate: Gate, store: AsyncStore) -> None:
    """Both lanes are busy with large answers, and everybody gets theirs."""
    large = Call(len, ["ECHO", b"x" * 100_000])
    assert await asyncio.gather(*(store.run(large) for _ in range(100))) == [100_000] * 100
