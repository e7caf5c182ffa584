"""Waits for what a server shows, with a deadline, and WebSockets with the same patience."""

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from websockets.sync import client

from tests.patience import PATIENCE_S


def connect(address: str, **options: Any) -> client.ClientConnection:
    """Open a WebSocket that waits for its server as long as tests do."""
    return client.connect(address, open_timeout=PATIENCE_S, ping_timeout=None, **options)


def wait_until(ready: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; fails when its patience ends."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (found := ready()):
        assert time.monotonic() < end, f"waited in vain until {what}"
        pause.wait(0.02)
    return found


def subscribers(redis_client: "redis.Redis", channel: str) -> int:
    """Return how many connections have subscribed to a channel."""
    ((_, number),) = redis_client.pubsub_numsub(channel)
    return int(number)


def subscriptions(redis_client: "redis.Redis") -> list[dict[str, Any]]:
    """Return the connections that have subscribed to something."""
    return [each for each in redis_client.client_list() if int(each["sub"]) > 0]
