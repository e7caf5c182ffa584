"""Makes Redis clients for a URL; `memory://` is fakeredis with Lua, shared within the process."""

import functools
from typing import Any, Final

import redis
from redis import asyncio as redis_asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

#: Seconds a command may take. A worker thread must get out of a dead socket before its time
#: limit can be raised in it (promises.md, trap 9), and a client's request must not hang.
SOCKET_TIMEOUT_S: Final = 2.0

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
    return redis.Redis.from_url(
        url, **_OPTIONS, retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    )


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
    client = redis_asyncio.Redis.from_url(
        url, **_OPTIONS, retry=AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    )
    pool: Any = client.connection_pool
    pool.connection_class = type("Connection", (_Told, pool.connection_class), {})
    return client
