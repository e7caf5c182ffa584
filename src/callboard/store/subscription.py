"""A blocking subscription to one channel: workers hear of cancels through it."""

from typing import Any

import redis
from redis.exceptions import RedisError

from callboard.store.sync import unavailable


class SyncSubscription:
    """Listens on one channel; for one thread. A broken connection is made anew by the next call."""

    def __init__(self, client: redis.Redis, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._pubsub: Any = None

    def next(self, timeout_s: float) -> str | None:
        """Return the next message, or None after `timeout_s`; raises Unavailable."""
        try:
            if self._pubsub is None:
                self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                self._pubsub.subscribe(self._channel)
            message = self._pubsub.get_message(timeout=timeout_s)
        except RedisError as error:
            self.close()
            raise unavailable(error) from error
        return message["data"].decode() if message else None

    def close(self) -> None:
        """Close the connection."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            pubsub.close()
