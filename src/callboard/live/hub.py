"""One Redis subscription per web process; per-task channels only while somebody watches.

A watcher subscribes first and reads the record afterwards, so no change falls between. When the
connection to Redis breaks, every watcher is told to look again once it is back.
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

from callboard.tasks.states import TERMINAL

logger = logging.getLogger(__name__)

#: Seconds until a broken subscription is made again.
RECONNECT_S: Final = 0.5


class _Update(msgspec.Struct):
    task_id: str
    status: str = ""


class Watcher:
    """One request's view of one task."""

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()

    async def subscribed(self) -> None:
        """Return once changes from now on are seen."""
        await self._ready.wait()

    async def next_end(self) -> None:
        """Return when the task has ended, or when it is worth looking again."""
        await self._ended.wait()
        self._ended.clear()

    def tell_ready(self) -> None:
        """Changes are seen from now on; if they were before, look again."""
        if self._ready.is_set():
            self._ended.set()
        self._ready.set()

    def tell_ended(self) -> None:
        """The task has ended."""
        self._ended.set()


class Hub:
    """Spreads one subscription over many watchers; for one event loop."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._pubsub: Any = None
        self._listener: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen in the background."""
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    @contextmanager
    def watch(self, task_id: str) -> Iterator[Watcher]:
        """Watch a task inside the block."""
        watcher = Watcher()
        watchers = self._watchers[task_id]
        watchers.add(watcher)
        self._spawn(self._subscribe(task_id))
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers and self._watchers.get(task_id) is watchers:
                del self._watchers[task_id]
                self._spawn(self._unsubscribe(task_id))

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _channel(self, task_id: str) -> str:
        return f"{self._prefix}task:{task_id}:updates"

    async def _subscribe(self, task_id: str) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # the listener subscribes all again
                await self._pubsub.subscribe(self._channel(task_id))

    async def _unsubscribe(self, task_id: str) -> None:
        if self._pubsub is not None and task_id not in self._watchers:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(self._channel(task_id))

    async def _listen(self) -> None:
        told = False
        while True:
            pubsub = self._client.pubsub()
            try:
                # A channel of our own keeps the connection in use while nobody watches.
                await pubsub.subscribe(f"{self._prefix}hub", *map(self._channel, self._watchers))
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
        channel = message["channel"].decode().removeprefix(self._prefix)
        task_id = channel.removeprefix("task:").removesuffix(":updates")
        watchers = self._watchers.get(task_id, ())
        if message["type"] == "subscribe":
            for watcher in list(watchers):
                watcher.tell_ready()
        elif message["type"] == "message" and watchers:
            update = msgspec.json.decode(message["data"], type=_Update)
            if update.status in TERMINAL:
                for watcher in list(watchers):
                    watcher.tell_ended()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()
