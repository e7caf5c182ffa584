"""Runs Calls from the event loop: the calls of one tick travel in one pipeline, so that N
concurrent requests cost one round trip. While a pipeline is under way the next one gathers.

Nobody waits for a Redis that does not answer: see doubt.py.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from callboard.errors import Unavailable
from callboard.store.doubt import Doubt
from callboard.store.scripts import Call
from callboard.store.sync import unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Calls in one pipeline at most: a bound on how long one of them can wait for the others.
PIPELINE_MOST = 256
#: Pipelines under way at the same time.
LANES = 2
#: Seconds between looks at the oldest of them, and the looks after which Redis is in doubt. They are counted
#: because time also passes while this process itself does not get to read the answer. A Redis that forks or
#: waits for its disk is silent for less.
LOOK_S = 0.1
LOOKS = 4


class AsyncStore:
    """Runs Calls on one event loop; not to be shared between loops."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[tuple[Call[Any], asyncio.Future[Any]]] = []
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._doubt = Doubt()
        #: Looks at each pipeline under way, oldest first, by the id of its batch.
        self._sent: dict[int, int] = {}
        self._looker: asyncio.TimerHandle | None = None

    async def run(self, call: Call[T]) -> T:
        """Send the call and return its decoded answer; raises Unavailable when Redis cannot."""
        loop = asyncio.get_running_loop()
        if self._doubt.reason is not None:
            under_way = bool(self._busy or self._waiting)
            if not self._doubt.admits(loop.time(), under_way=under_way):
                raise Unavailable(self._doubt.reason, nothing_done=True)
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((call, future))
        if len(self._waiting) == 1 and self._busy < LANES:
            loop.call_soon(self._flush)
        answer = await future
        if isinstance(answer, RedisError):
            raise unavailable(answer) from answer
        if isinstance(answer, Exception):
            raise answer
        return call.decode(answer)

    def _flush(self) -> None:
        while self._waiting and self._busy < LANES:
            batch, self._waiting = self._waiting[:PIPELINE_MOST], self._waiting[PIPELINE_MOST:]
            self._busy += 1
            self._start(self._send(batch))
            if self._looker is None:
                self._looker = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """Notice that Redis is silent; what has not been sent to it by then is refused."""
        oldest = next(iter(self._sent), None)
        if oldest is None:
            self._looker = None
            return
        self._looker = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        self._sent[oldest] += 1
        if self._sent[oldest] >= LOOKS:
            self._lose_hope(self._doubt.reason or f"Redis has not answered for {LOOKS * LOOK_S:g} s")

    def _lose_hope(self, reason: str) -> None:
        self._doubt.arise(reason)
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_exception(Unavailable(reason, nothing_done=True))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, batch: list[tuple[Call[Any], asyncio.Future[Any]]]) -> None:
        self._sent[id(batch)] = 0
        try:
            answers = await self._answers([call for call, _ in batch])
            if isinstance(answers[0], (RedisConnectionError, RedisTimeoutError)):
                self._lose_hope(str(unavailable(answers[0])))
            else:
                self._doubt.end()
        except Exception as error:  # noqa: BLE001 - a bug of ours: its callers raise it, later calls go on
            answers = [error] * len(batch)
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(Unavailable(f"the request was broken off: {type(error).__name__}"))
            raise
        finally:
            self._busy -= 1
            del self._sent[id(batch)]
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        if self._waiting:
            self._flush()

    async def _answers(self, batch: list[Call[Any]]) -> list[Any]:
        try:
            answers = await self._pipeline([call.command() for call in batch])
            unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                again = await self._pipeline([batch[n].full_command() for n in unknown])
                for n, answer in zip(unknown, again, strict=True):
                    answers[n] = answer
        except (DataError, UnicodeError) as error:  # one of them cannot be sent: the others shall not suffer
            if len(batch) == 1:
                return [error]
            return [answer for call in batch for answer in await self._answers([call])]
        except RedisError as error:
            return [error] * len(batch)
        return answers

    async def _pipeline(self, commands: list[list[Any]]) -> list[Any]:
        if len(commands) == 1:
            execute: Any = self._client.execute_command
            try:
                return [await execute(*commands[0])]
            except RedisError as error:
                return [error]
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute(raise_on_error=False))

    async def close(self) -> None:
        """Let what is under way end, then close the connections."""
        if self._looker is not None:
            self._looker.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=2)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()
