"""One Redis subscription per web process; channels are subscribed only while somebody watches.

A watcher subscribes first and reads the record afterwards, so no change falls between. When the
connection to Redis breaks, every feed is told to look again once it is back.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final, Generic, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from callboard.live.feed import Feed
from callboard.tasks.events import Event

logger = logging.getLogger(__name__)

AnyFeed = TypeVar("AnyFeed", bound=Feed)

#: Seconds until a broken subscription is made again.
RECONNECT_S: Final = 0.5
#: Seconds of silence after which Redis is asked whether it is there, and until it has to answer.
SILENCE_S: Final = 15.0
ANSWER_S: Final = 5.0
#: Messages handed out until the readers get their turn; below BEHIND_MOST of feed.py.
BURST: Final = 64


class Watch(Generic[AnyFeed]):
    """Gives a feed what comes on a channel, inside a with-block."""

    __slots__ = ("_channel", "_feed", "_hub")

    def __init__(self, hub: "Hub", channel: str, feed: AnyFeed) -> None:
        self._hub = hub
        self._channel = channel
        self._feed = feed

    def __enter__(self) -> AnyFeed:
        self._hub.add(self._channel, self._feed)
        return self._feed

    def __exit__(self, *_: object) -> None:
        self._hub.remove(self._channel, self._feed)


class Hub:
    """Spreads one subscription over many feeds; for one event loop."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._feeds: dict[str, set[Feed]] = {}
        #: Channels whose subscription has been sent, and those of them that Redis has confirmed.
        self._asked: set[str] = set()
        self._heard: set[str] = set()
        #: Channels that somebody has begun or ceased to watch; one task at a time tells Redis, in order.
        self._changed: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self._pubsub: Any = None
        self._listener: asyncio.Task[None] | None = None
        self._closing = False
        self._decoder = msgspec.json.Decoder(Event)

    def start(self) -> None:
        """Begin to listen in the background."""
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    @property
    def watchers(self) -> int:
        """Return how many feeds are open."""
        return sum(len(feeds) for feeds in self._feeds.values())

    def watch(self, task_id: str) -> "Watch[Feed]":
        """Watch a task inside a with-block."""
        # The names of store/keys.py; the conformance tests of the store publish to them.
        return Watch(self, f"{self._prefix}task:{task_id}:updates", Feed())

    def watch_all(self, feed: AnyFeed) -> "Watch[AnyFeed]":
        """Give a feed the changes of all tasks inside a with-block."""
        return Watch(self, f"{self._prefix}task_updates", feed)

    def add(self, channel: str, feed: Feed) -> None:
        """Begin to give a feed what comes on a channel."""
        if self._closing:
            feed.end("closing")
        feeds = self._feeds.setdefault(channel, set())
        feeds.add(feed)
        if channel in self._heard:
            feed.tell_subscribed()
        elif len(feeds) == 1:
            self._change(channel)

    def remove(self, channel: str, feed: Feed) -> None:
        """Cease to give a feed what comes on a channel."""
        feeds = self._feeds[channel]
        feeds.discard(feed)
        if not feeds:
            del self._feeds[channel]
            self._change(channel)

    def end_all(self) -> None:
        """End every feed: the process is about to stop, clients resume at another one."""
        self._closing = True
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.end("closing")

    def _change(self, channel: str) -> None:
        self._changed.add(channel)
        if self._telling is None and self._pubsub is not None and not self._closing:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """Send Redis the changes of what is watched, all that wait at once."""
        try:
            while self._changed and (pubsub := self._pubsub) is not None:
                changed, self._changed = self._changed, set()
                new = [each for each in changed if each in self._feeds and each not in self._asked]
                old = [each for each in changed if each not in self._feeds and each in self._asked]
                self._asked.update(new)
                self._asked.difference_update(old)
                self._heard.difference_update(old)
                try:
                    if new:
                        await pubsub.subscribe(*new)
                    if old:
                        await pubsub.unsubscribe(*old)
                except (RedisError, OSError):
                    if self._pubsub is pubsub:  # else the listener subscribes all again
                        self._asked.difference_update(new)
                        self._asked.update(old)
                        self._changed |= changed
                        await asyncio.sleep(RECONNECT_S)
        finally:
            self._telling = None

    async def _listen(self) -> None:
        told = False
        while True:
            pubsub = self._client.pubsub()
            try:
                # A channel of our own keeps the connection in use while nobody watches.
                self._asked, self._heard, self._changed = set(self._feeds), set(), set()
                await pubsub.subscribe(f"{self._prefix}hub", *self._asked)
                self._pubsub, told = pubsub, False
                for channel in self._changed.copy():
                    self._change(channel)
                await self._hand_out(pubsub)
            except (RedisError, OSError) as error:
                if not told:
                    logger.warning("the subscription to Redis broke, making it again: %s", error)
                    told = True
            finally:
                self._pubsub = None
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(RECONNECT_S)

    async def _hand_out(self, pubsub: Any) -> None:
        """Give the feeds what Redis sends; raises RedisError when it is silent for too long."""
        number, asked = 0, False
        while True:
            message = await pubsub.get_message(timeout=ANSWER_S if asked else SILENCE_S)
            if message is not None:
                asked = False
                self._dispatch(message)
                number += 1
                if number % BURST == 0:  # what has arrived together is returned without a pause
                    await asyncio.sleep(0)
            elif asked:
                raise RedisConnectionError(f"Redis has not answered for {ANSWER_S:g} s")
            else:
                await pubsub.ping()
                asked = True

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] not in ("subscribe", "message"):
            return
        channel = message["channel"].decode()
        feeds = self._feeds.get(channel, ())
        if message["type"] == "subscribe":
            if channel in self._asked:
                self._heard.add(channel)
            for feed in feeds:  # one that was told before looks again: the connection was made anew
                feed.tell_subscribed()
        elif feeds:
            try:
                event = self._decoder.decode(message["data"])
            except msgspec.DecodeError as error:  # one bad message must not silence all others
                logger.error("a message on %s cannot be read: %s", channel, error)
                return
            for feed in feeds:
                feed.put(event)

    async def close(self) -> None:
        """End every feed and stop listening."""
        self.end_all()
        running = [task for task in (self._listener, self._telling) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()
