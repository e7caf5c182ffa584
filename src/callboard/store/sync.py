"""Runs Calls with a blocking client: worker threads and the scheduler."""

import logging
import threading
from typing import Any, TypeVar

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    DataError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from callboard.errors import Unavailable
from callboard.store.scripts import Call

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SyncStore:
    """Runs one Call at a time per thread; safe to share between threads.

    Every thread keeps one connection: taking one from redis-py's pool for each call, with its
    liveness check and retry layers, cost a worker more than the call itself.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._local = threading.local()

    def run(self, call: Call[T]) -> T:
        """Send the call and return its decoded answer; raises Unavailable when Redis cannot."""
        try:
            return call.decode(self._send(call))
        except RedisError as error:
            raise unavailable(error) from error

    def _send(self, call: Call[Any]) -> Any:
        try:
            return self._exchange(call.command())
        except NoScriptError:  # a fresh or restarted server; EVAL makes it known
            return self._exchange(call.full_command())

    def _exchange(self, command: list[Any]) -> Any:
        """Send one command on this thread's connection; a broken one is made anew, once."""
        connection: Any = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return self._on(connection, command)
            except RedisConnectionError:
                pass  # it was cut while it was idle; calls are safe to send twice
        connection = self._client.connection_pool.make_connection()
        connection.connect()  # the first command would do it too, but without asking the Sentinels where
        self._local.connection = connection
        return self._on(connection, command)

    def _on(self, connection: Any, command: list[Any]) -> Any:
        try:
            connection.send_command(*command, check_health=False)
            return connection.read_response()
        except ResponseError:
            raise
        except BaseException:  # an answer that comes later must not be taken for the next one
            self._local.connection = None
            connection.disconnect()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


#: First words of replies that say "not now" rather than "this is wrong".
_NOT_NOW = (
    "OOM",
    "MISCONF",
    "LOADING",
    "READONLY",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "BUSY",
    "TRYAGAIN",
)


def unavailable(error: RedisError) -> Exception:
    """Return Unavailable when Redis cannot serve now; a reply that names a bug of ours stays itself."""
    if isinstance(error, ResponseError) and not isinstance(error, RedisConnectionError):
        transient = str(error).startswith(_NOT_NOW) or isinstance(error, (OutOfMemoryError, ReadOnlyError))
        if not transient:
            return error
        # A script that may not write is refused at its first write: it has done nothing.
        return Unavailable(f"Redis cannot serve now: {_said(error)}", nothing_done=True)
    if isinstance(error, DataError):
        return error
    return Unavailable(f"Redis cannot serve now: {_said(error)}")


def _said(error: RedisError) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
