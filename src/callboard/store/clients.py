"""Makes Redis clients for a URL; `memory://` is fakeredis with Lua, shared within the process.

With `redis+sentinel://` each new connection asks the Sentinels which Redis is the master now. After a
failover the old ones are cut by its death, by Sentinel, or by the first write that a replica refuses.
"""

import functools
from typing import Any, Final

import redis
from redis import asyncio as redis_asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from callboard.store import sentinel
from callboard.store.sentinel import SentinelAddress

#: Seconds a command may take. A worker thread must get out of a dead socket before its time
#: limit can be raised in it (promises.md, trap 9), and a client's request must not hang.
SOCKET_TIMEOUT_S: Final = 2.0

#: Seconds a Sentinel may take, once: several are asked one after the other while a client waits.
SENTINEL_TIMEOUT_S: Final = 0.5

_OPTIONS: Final[dict[str, Any]] = {
    "protocol": 2,
    "socket_timeout": SOCKET_TIMEOUT_S,
    "socket_connect_timeout": SOCKET_TIMEOUT_S,
    "socket_keepalive": True,
    "health_check_interval": 0,
}


@functools.cache
def _memory_server() -> Any:
    import fakeredis

    return fakeredis.FakeServer()


def sync_client(url: str) -> redis.Redis:
    """Return a blocking client; a broken connection is tried once more at once, then an error."""
    if url.startswith("memory://"):
        import fakeredis

        return fakeredis.FakeRedis(server=_memory_server())
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    if not sentinel.is_sentinel(url):
        return redis.Redis.from_url(url, **_OPTIONS, retry=retry)
    address = sentinel.parse(url)
    watchers: Any = Sentinel(  # type: ignore[no-untyped-call]
        list(address.sentinels), sentinel_kwargs={**_for_sentinels(address), "retry": Retry(NoBackoff(), 0)}
    )
    master: redis.Redis = watchers.master_for(address.name, _Watched, **_for_master(address), retry=retry)
    return master


class _Watched(redis.Redis):
    """Closes its connections to the Sentinels too."""

    def close(self) -> None:
        super().close()
        pool: Any = self.connection_pool
        for each in pool.sentinel_manager.sentinels:
            each.close()


class _AsyncWatched(redis_asyncio.Redis):
    """Closes its connections to the Sentinels too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for each in pool.sentinel_manager.sentinels:
            await each.aclose()


def _for_sentinels(address: SentinelAddress) -> dict[str, Any]:
    times = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), SENTINEL_TIMEOUT_S)
    login = {"username": address.sentinel_username, "password": address.sentinel_password}
    return {**_OPTIONS, **times, **login, "ssl": address.tls}


def _for_master(address: SentinelAddress) -> dict[str, Any]:
    login = {"username": address.username, "password": address.password}
    return {**_OPTIONS, **login, "db": address.database, **({"ssl": True} if address.tls else {})}


class _Told:
    """Makes what uvloop says of a connection that was cut while it was idle what redis-py expects."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        parent: Any = super()
        try:
            await parent.send_packed_command(command, check_health)
        except RuntimeError as error:  # asyncio's own transports raise an OSError
            await parent.disconnect(nowait=True)
            raise RedisConnectionError(str(error)) from error


def async_client(url: str) -> redis_asyncio.Redis:
    """Return an asyncio client with the same behaviour."""
    if url.startswith("memory://"):
        import fakeredis

        return fakeredis.FakeAsyncRedis(server=_memory_server())
    retry = AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    client: redis_asyncio.Redis
    if sentinel.is_sentinel(url):
        address = sentinel.parse(url)
        watchers: Any = AsyncSentinel(  # type: ignore[no-untyped-call]
            list(address.sentinels),
            sentinel_kwargs={**_for_sentinels(address), "retry": AsyncRetry(NoBackoff(), 0)},
        )
        client = watchers.master_for(address.name, _AsyncWatched, **_for_master(address), retry=retry)
    else:
        client = redis_asyncio.Redis.from_url(url, **_OPTIONS, retry=retry)
    pool: Any = client.connection_pool
    pool.connection_class = type("Connection", (_Told, pool.connection_class), {})
    return client
