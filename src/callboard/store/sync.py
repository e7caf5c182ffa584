"""Runs Calls with a blocking client: worker threads and the scheduler."""

import logging
from typing import Any, TypeVar

import redis
from redis.exceptions import NoScriptError, RedisError

from callboard.errors import Unavailable
from callboard.store.scripts import Call

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SyncStore:
    """Runs one Call at a time; safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def run(self, call: Call[T]) -> T:
        """Send the call and return its decoded answer; raises Unavailable when Redis cannot."""
        try:
            return call.decode(self._send(call))
        except RedisError as error:
            raise Unavailable(describe(error)) from error

    def _send(self, call: Call[Any]) -> Any:
        execute: Any = self._client.execute_command
        try:
            return execute(*call.command())
        except NoScriptError:  # a fresh or restarted server; EVAL makes it known
            return execute(*call.full_command())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def describe(error: BaseException) -> str:
    """Return a sentence about a Redis error that holds no data."""
    return f"Redis did not answer as it should: {type(error).__name__}: {str(error)[:200]}"
