"""A watcher's queue: bounded, and never silent about what it dropped."""

import asyncio

import pytest

from callboard.live.feed import BEHIND_MOST, Feed, FeedEnded, LookAgain
from callboard.live.latest import TASKS_MOST, Latest
from callboard.tasks.events import Event


def event(version: int, task_id: str = "t", kind: str = "progress", status: str = "running") -> Event:
    return Event(task_id=task_id, version=version, kind=kind, status=status)


def subscribed() -> Feed:
    feed = Feed()
    feed.tell_subscribed()
    return feed


async def settled() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done


async def test_events_come_in_order() -> None:
    feed = subscribed()
    for version in (1, 2, 3):
        feed.put(event(version))
    assert [(await feed.next()).version for _ in range(3)] == [1, 2, 3]  # type: ignore[union-attr]


async def test_a_reader_that_waits_gets_what_comes() -> None:
    feed = subscribed()
    waiting = asyncio.create_task(feed.next())
    await settled()
    assert not waiting.done()
    feed.put(event(1))
    assert await waiting == event(1)


async def test_nothing_is_read_before_the_subscription_stands() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.subscribed())
    await settled()
    feed.beat()
    await settled()
    assert not waiting.done()
    feed.tell_subscribed()
    await waiting


async def test_too_many_events_send_the_reader_to_the_record() -> None:
    feed = subscribed()
    for version in range(BEHIND_MOST + 1):
        feed.put(event(version))
    feed.put(event(BEHIND_MOST + 1))
    with pytest.raises(LookAgain):
        await feed.next()
    assert await feed.next() == event(BEHIND_MOST + 1)


async def test_a_subscription_made_anew_sends_the_reader_to_the_record() -> None:
    feed = subscribed()
    waiting = asyncio.create_task(feed.next())
    await settled()
    feed.tell_subscribed()
    with pytest.raises(LookAgain):
        await waiting


async def test_a_heartbeat_reaches_only_a_reader_that_waits_for_an_event() -> None:
    feed = subscribed()
    feed.beat()
    feed.put(event(1))
    assert await feed.next() == event(1)
    waiting = asyncio.create_task(feed.next())
    await settled()
    feed.beat()
    assert await waiting is None


async def test_an_event_goes_before_a_heartbeat() -> None:
    feed = subscribed()
    waiting = asyncio.create_task(feed.next())
    await settled()
    feed.beat()
    feed.put(event(1))
    assert await waiting == event(1)


@pytest.mark.parametrize("reason", ["closing", "slow", "gone"])
async def test_an_ended_feed_says_why_and_takes_nothing_more(reason: str) -> None:
    feed = subscribed()
    waiting = asyncio.create_task(feed.next())
    await settled()
    feed.end(reason)
    feed.end("another")
    feed.put(event(1))
    with pytest.raises(FeedEnded) as ended:
        await waiting
    assert (ended.value.reason, feed.ended) == (reason, reason)


async def test_what_is_queued_when_the_process_stops_is_still_delivered() -> None:
    feed = subscribed()
    feed.put(event(1))
    feed.end("closing")
    assert await feed.next() == event(1)
    with pytest.raises(FeedEnded):
        await feed.next()


async def test_nothing_is_delivered_to_a_reader_that_is_gone() -> None:
    feed = subscribed()
    feed.put(event(1))
    feed.end("gone")
    with pytest.raises(FeedEnded):
        await feed.next()


async def test_a_feed_that_ends_before_its_subscription_says_so() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.subscribed())
    await settled()
    feed.end("closing")
    with pytest.raises(FeedEnded):
        await waiting


def latest() -> Latest:
    feed = Latest(lambda event: event.task_id != "unwanted")
    feed.tell_subscribed()
    return feed


async def test_of_each_task_the_last_change_is_kept() -> None:
    feed = latest()
    for version in (1, 2, 3):
        feed.put(event(version, "a"))
    feed.put(event(1, "b"))
    feed.put(event(1, "unwanted"))
    feed.put(event(4, "a", "log"))
    assert await feed.changes(0) == [event(3, "a"), event(1, "b")]


async def test_a_state_is_not_hidden_by_progress() -> None:
    feed = latest()
    feed.put(event(1, kind="state"))
    feed.put(event(2))
    feed.put(event(3))
    assert await feed.changes(0) == [event(3, kind="state")]


async def test_changes_wait_for_their_time_and_for_a_first_one() -> None:
    feed = latest()
    loop = asyncio.get_running_loop()
    wanted = loop.time() + 0.1
    waiting = asyncio.create_task(feed.changes(wanted))
    await settled()
    feed.put(event(1))
    await settled()
    assert not waiting.done()
    feed.put(event(2))
    assert await waiting == [event(2)]
    assert loop.time() >= wanted
    feed.put(event(3))
    assert await feed.changes(0) == [event(3)]


async def test_a_dashboard_hears_a_heartbeat_when_nothing_changes() -> None:
    feed = latest()
    waiting = asyncio.create_task(feed.changes(0))
    await settled()
    feed.beat()
    assert await waiting == []


async def test_a_dashboard_that_cannot_be_kept_up_to_date_is_told() -> None:
    feed = latest()
    for number in range(TASKS_MOST + 1):
        feed.put(event(1, str(number)))
    with pytest.raises(LookAgain):
        await feed.changes(0)
