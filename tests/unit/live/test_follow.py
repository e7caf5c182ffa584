"""Following one task: whatever replay and live bring, in whatever order, nothing is missed or repeated."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import TaskNotFound, Unavailable
from callboard.live.feed import Feed, FeedEnded
from callboard.live.follow import Gap, follow
from callboard.tasks.events import Event, Replay
from tests.patience import PATIENCE_S

TASK = "t"
KEPT = 12
PAGE = 5


class World:
    """A task that changes, what is kept of it, and the feed that hears of it, as a test orders it."""

    def __init__(self) -> None:
        self.version = 0
        self.status = "running"
        self.feed = Feed()
        #: Published and not heard yet: Redis delivers in order, but later.
        self.under_way: list[Event] = []
        self.reads = 0
        #: Called in the middle of each read, before and after the moment its answer is made.
        self.meanwhile: Callable[[], None] = lambda: None

    def change(self, *, ends: bool = False) -> None:
        self.version += 1
        self.status = "succeeded" if ends else "running"
        self.under_way.append(self.event(self.version, ends=ends))

    def event(self, version: int, *, ends: bool = False) -> Event:
        return Event(
            task_id=TASK, version=version, kind="state" if ends else "log", status="succeeded" if ends else ""
        )

    def deliver(self, number: int) -> None:
        for event in self.under_way[:number]:
            self.feed.put(event)
        del self.under_way[:number]

    def lose(self, number: int) -> None:
        """The connection breaks: some messages never come, then it stands again."""
        del self.under_way[:number]
        self.feed.tell_subscribed()

    async def read(self, task_id: str, after: int) -> Replay:
        assert task_id == TASK
        self.reads += 1
        self.meanwhile()
        first = max(after + 1, self.version - KEPT + 1)
        upto = min(self.version, first + PAGE - 1)
        ended = self.status == "succeeded"
        events = [self.event(each, ends=ended and each == self.version) for each in range(first, upto + 1)]
        answer = Replay(events, self.version, self.status, after, upto)
        self.meanwhile()
        return answer


def covered(found: list[Event | Gap | None]) -> list[int]:
    versions: list[int] = []
    for item in found:
        if isinstance(item, Gap):
            versions += range(item.first, item.last + 1)
        elif item is not None:
            versions.append(item.version)
    return versions


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 30)),
        st.tuples(st.just("deliver"), st.integers(1, 40)),
        st.tuples(st.just("lose"), st.integers(0, 10)),
        st.tuples(st.just("beat"), st.just(0)),
        st.tuples(st.just("read on"), st.integers(1, 3)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(before=st.integers(1, 40), start=st.integers(0, 45), steps=STEPS, inside=STEPS)
async def test_no_interleaving_of_replay_and_live_gives_a_gap_or_a_repeat(
    before: int, start: int, steps: list[tuple[str, int]], inside: list[tuple[str, int]]
) -> None:
    world = World()
    for _ in range(before):
        world.change()
    world.under_way.clear()
    world.feed.tell_subscribed()
    found: list[Event | Gap | None] = []

    async def reader() -> None:
        async for item in follow(world.read, world.feed, TASK, start):
            found.append(item)

    def do(what: str, number: int) -> None:
        if what == "change":
            for _ in range(number):
                world.change()
        elif what == "deliver":
            world.deliver(number)
        elif what == "lose":
            world.lose(number)
        elif what == "beat":
            world.feed.beat()

    left = list(inside)
    world.meanwhile = lambda: do(*left.pop()) if left and world.reads < 30 else None
    task = asyncio.create_task(reader())
    for what, number in steps:
        do(what, number)
        for _ in range(number if what == "read on" else 0):
            await _turn()
    left.clear()
    world.change(ends=True)
    world.deliver(10_000)
    async with asyncio.timeout(PATIENCE_S):
        await task
    versions = covered(found)
    if start <= before:
        assert versions == list(range(start + 1, world.version + 1))
    else:  # a position of the future counts as the present one, whenever that is read
        assert versions == list(range(world.version - len(versions) + 1, world.version + 1))


async def _turn() -> None:
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def test_a_task_that_has_ended_is_told_to_its_end_without_waiting() -> None:
    world = World()
    world.change()
    world.change(ends=True)
    world.feed.tell_subscribed()
    assert covered([item async for item in follow(world.read, world.feed, TASK)]) == [1, 2]


async def test_what_is_not_kept_is_one_gap_in_its_place() -> None:
    world = World()
    for _ in range(20):
        world.change()
    world.change(ends=True)
    world.feed.tell_subscribed()
    found = [item async for item in follow(world.read, world.feed, TASK, 3)]
    assert found[0] == Gap(TASK, 4, 9)
    assert covered(found) == list(range(4, 22))


async def test_holes_between_what_is_kept_are_told_where_they_are() -> None:
    feed = Feed()
    feed.tell_subscribed()

    async def read(task_id: str, after: int) -> Replay:
        kept = [Event(task_id=task_id, version=each, kind="log") for each in (3, 4, 7)]
        return Replay(kept, 9, "succeeded", 0, 9)

    found = [item async for item in follow(read, feed, TASK)]
    assert [item if isinstance(item, Gap) else item and item.version for item in found] == [
        Gap(TASK, 1, 2), 3, 4, Gap(TASK, 5, 6), 7, Gap(TASK, 8, 9),
    ]  # fmt: skip


async def test_a_heartbeat_is_passed_on() -> None:
    world = World()
    world.change()
    world.feed.tell_subscribed()
    source = follow(world.read, world.feed, TASK, 1)
    waiting = asyncio.ensure_future(anext(source))
    for _ in range(5):
        await _turn()
    world.feed.beat()
    assert await waiting is None
    await source.aclose()


async def test_a_task_that_is_not_there_is_told_so() -> None:
    feed = Feed()
    feed.tell_subscribed()

    async def read(task_id: str, after: int) -> Replay:
        return Replay([], 0, "")

    with pytest.raises(TaskNotFound):
        await anext(follow(read, feed, TASK))


async def test_redis_that_is_away_ends_it_so_that_the_client_comes_again() -> None:
    feed = Feed()
    feed.tell_subscribed()

    async def read(task_id: str, after: int) -> Replay:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await anext(follow(read, feed, TASK))


async def test_it_reads_nothing_before_the_subscription_stands() -> None:
    world = World()
    world.change()
    waiting = asyncio.ensure_future(anext(follow(world.read, world.feed, TASK)))
    for _ in range(5):
        await _turn()
    assert (waiting.done(), world.reads) == (False, 0)
    world.feed.tell_subscribed()
    assert (await waiting).version == 1  # type: ignore[union-attr]


async def test_a_stopping_process_ends_it() -> None:
    world = World()
    world.change()
    world.feed.tell_subscribed()
    source = follow(world.read, world.feed, TASK, 1)
    waiting = asyncio.ensure_future(anext(source))
    for _ in range(5):
        await _turn()
    world.feed.end("closing")
    with pytest.raises(FeedEnded):
        await waiting
