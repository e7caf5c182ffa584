"""The limiter of a web process: what waits for one key is counted together, and fairly."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from callboard.access.limiter import Limiter
from callboard.access.limits import Rate
from callboard.access.principal import Principal
from callboard.access.roles import Role
from callboard.errors import Unavailable
from callboard.store import limits
from callboard.store.scripts import Call
from tests.contract.store.bench import Bench
from tests.patience import PATIENCE_S

#: Seconds in which the rates here fill again: nothing comes back while a test runs.
YEAR_S = 365 * 86_400


class Watched:
    """Runs calls as the bench does, counts them, and tells the name of each script that has run."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.calls = 0
        self.error: Exception | None = None
        #: Done in the middle of each call.
        self.meanwhile: Callable[[], object] = lambda: None
        self.ran: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, call: Call[Any]) -> Any:
        self.calls += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        answer = await self._bench.run(call)
        assert call.script is not None
        self.ran.put_nowait(call.script.name)
        return answer


def key(key_id: str = "k", rate: Rate | None = None, quota: int | None = None) -> Principal:
    return Principal(
        kind="key", digest="d", key_id=key_id, name=key_id, role=Role.SUBMIT, rate=rate, quota=quota
    )


@pytest.fixture
def runner(bench: Bench) -> Watched:
    return Watched(bench)


@pytest.fixture
def limiter(bench: Bench, runner: Watched) -> Limiter:
    return Limiter(runner, bench.keys)


async def test_requests_that_come_together_cost_one_call(limiter: Limiter, runner: Watched) -> None:
    who = key(rate=Rate(30, YEAR_S))
    found = await asyncio.gather(*(limiter.request(who) for _ in range(40)))
    assert runner.calls == 1
    assert [each.refused for each in found if each] == [None] * 30 + ["rate"] * 10
    assert [each.left for each in found if each] == [*range(29, -1, -1), *[0] * 10]


async def test_requests_and_tasks_of_several_keys(limiter: Limiter, runner: Watched) -> None:
    one, two = key("one", Rate(2, YEAR_S), 10), key("two", quota=3)
    found = await asyncio.gather(
        limiter.request(one), limiter.tasks(one, 4), limiter.tasks(two, 4), limiter.tasks(one, 7),
        limiter.tasks(one, 6), limiter.tasks(two, 3),
    )  # fmt: skip
    assert runner.calls == 2
    told = [(each.refused, each.tasks_left) for each in found[1:] if each]
    assert told == [(None, 6), ("quota", 3), ("quota", 6), (None, 0), (None, 0)]


async def test_tasks_of_a_request_that_has_gone_are_given_back(limiter: Limiter, runner: Watched) -> None:
    who = key(quota=10)
    gone = asyncio.ensure_future(limiter.tasks(who, 4))
    runner.meanwhile = gone.cancel
    taken = await limiter.tasks(who, 1)
    assert gone.cancelled()
    assert taken
    assert (taken.refused, runner.calls) == (None, 1)
    again = await limiter.tasks(who, 9)
    assert again
    assert (again.refused, again.tasks_left) == (None, 0)


async def test_nobody_is_held_up_when_nobody_can_count(limiter: Limiter, runner: Watched) -> None:
    who = key(rate=Rate(1, YEAR_S))
    runner.error = Unavailable("Redis is away")
    assert await asyncio.gather(*(limiter.request(who) for _ in range(3))) == [None] * 3
    runner.error = None
    found = [await limiter.request(who) for _ in range(2)]
    assert [each and each.refused for each in found] == [None, "rate"]


async def test_a_bug_of_ours_leaves_nobody_waiting(limiter: Limiter, runner: Watched) -> None:
    runner.error = LookupError("a bug")
    with pytest.raises(LookupError, match="a bug"):
        await asyncio.wait_for(limiter.request(key(quota=1)), PATIENCE_S)
    runner.error = None
    assert await limiter.request(key(quota=1))


async def fill(limiter: Limiter, who: Principal) -> None:
    """Let many ask twice, so that the limiter takes a slice beforehand."""
    for _ in range(2):
        await asyncio.gather(*(limiter.request(who) for _ in range(10)))
        await asyncio.gather(*(limiter.tasks(who, 1) for _ in range(10)))


async def test_who_is_busy_and_far_from_its_limit_takes_a_slice_beforehand(
    limiter: Limiter, runner: Watched
) -> None:
    who = key(rate=Rate(10_000, YEAR_S), quota=10_000)
    await fill(limiter, who)
    before = runner.calls
    found = [await limiter.request(who) for _ in range(40)]
    assert runner.calls == before
    assert [each.left for each in found if each] == list(range(9979, 9939, -1)), "as if each had been taken"
    assert [(await limiter.tasks(who, 10)) for _ in range(4)]
    assert runner.calls == before


async def test_a_slice_that_is_not_used_is_given_back(
    limiter: Limiter, runner: Watched, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callboard.access.limiter.SPARE_S", 0.01)
    who = key(rate=Rate(10_000, YEAR_S), quota=10_000)
    await fill(limiter, who)
    async with asyncio.timeout(PATIENCE_S):
        while await runner.ran.get() != "limit_give_back":
            pass
    grant = await bench.run(limits.take(bench.keys, "k", (10_000, YEAR_S), 0, 10_000, []))
    assert (grant.requests_left, grant.tasks_left) == (9980, 9980)


async def test_a_slice_is_given_back_when_the_process_ends(limiter: Limiter, bench: Bench) -> None:
    who = key(rate=Rate(10_000, YEAR_S), quota=10_000)
    await fill(limiter, who)
    await limiter.close()
    grant = await bench.run(limits.take(bench.keys, "k", (10_000, YEAR_S), 0, 10_000, []))
    assert (grant.requests_left, grant.tasks_left) == (9980, 9980)


async def test_two_processes_let_pass_exactly_what_there_is(limiter: Limiter, bench: Bench) -> None:
    who = key(rate=Rate(990, YEAR_S), quota=980)
    passed, counted = 0, 0
    for each in (limiter, Limiter(Watched(bench), bench.keys)) * 20:
        found = await asyncio.gather(*(each.request(who) for _ in range(30)))
        told = await asyncio.gather(*(each.tasks(who, 1) for _ in range(30)))
        passed += sum(one is not None and one.refused is None for one in found)
        counted += sum(one is not None and one.refused is None for one in told)
        await each.close()
    assert (passed, counted) == (990, 980)
