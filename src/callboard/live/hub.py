"""One Redis subscription per web process; channels are subscribed only while somebody watches.

A watcher subscribes first and reads the record afterwards, so no change falls between. Its feed is
bounded: one that does not read is cut, never buffered without end. When the connection to Redis
breaks, every feed is told to look again once it is back.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callboard.live.feed import Feed
from callboard.tasks.events import Event

logger = logging.getLogger(__name__)

#: Seconds until a broken subscription is made again.
RECONNECT_S: Final = 0.5


class Hub:
    """Spreads one subscription over many feeds; for one event loop."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._pubsub: Any = None
        self._listener: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._closing = False
        self._decoder = msgspec.json.Decoder(Event)

    def start(self) -> None:
        """Begin to listen in the background."""
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    @property
    def watchers(self) -> int:
        """Return how many feeds are open."""
        return sum(len(feeds) for feeds in self._feeds.values())

    @contextmanager
    def watch(self, task_id: str | None = None) -> Iterator[Feed]:
        """Watch a task, or all of them, inside the block."""
        # The names of store/keys.py; the conformance tests of the store publish to them.
        channel = self._prefix + ("task_updates" if task_id is None else f"task:{task_id}:updates")
        feed = Feed()
        if self._closing:
            feed.end("closing")
        feeds = self._feeds[channel]
        feeds.add(feed)
        self._spawn(self._subscribe(channel))
        try:
            yield feed
        finally:
            feeds.discard(feed)
            if not feeds and self._feeds.get(channel) is feeds:
                del self._feeds[channel]
                self._spawn(self._unsubscribe(channel))

    def end_all(self) -> None:
        """End every feed: the process is about to stop, clients resume at another one."""
        self._closing = True
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.end("closing")

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _subscribe(self, channel: str) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # the listener subscribes all again
                await self._pubsub.subscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        if self._pubsub is not None and channel not in self._feeds:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _listen(self) -> None:
        told = False
        while True:
            pubsub = self._client.pubsub()
            try:
                # A channel of our own keeps the connection in use while nobody watches.
                await pubsub.subscribe(f"{self._prefix}hub", *self._feeds)
                self._pubsub = pubsub
                told = False
                while True:
                    self._dispatch(await pubsub.get_message(timeout=15.0))
            except (RedisError, OSError) as error:
                if not told:
                    logger.warning("the subscription to Redis broke, making it again: %s", error)
                    told = True
            finally:
                self._pubsub = None
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(RECONNECT_S)

    def _dispatch(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        feeds = list(self._feeds.get(message["channel"].decode(), ()))
        if message["type"] == "subscribe":
            for feed in feeds:
                feed.tell_subscribed()
        elif message["type"] == "message" and feeds:
            event = self._decoder.decode(message["data"])
            for feed in feeds:
                feed.put(event)

    async def close(self) -> None:
        """End every feed and stop listening."""
        self.end_all()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()
