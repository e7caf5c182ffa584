"""What the worker needs of the store and the broker; the bootstrap hands both in."""

from typing import Any, Protocol, TypeVar

import dramatiq

from callboard.store.scripts import Call

T = TypeVar("T")


class Store(Protocol):
    """Runs Calls; SyncStore does."""

    def run(self, call: Call[T]) -> T:
        """Return the decoded answer; raises Unavailable."""


class Outlet(Protocol):
    """Where a worker sends messages; both brokers do."""

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Publish, confirmed, after `delay` milliseconds; raises dramatiq's ConnectionClosed."""

    def dead_letter(self, message: dramatiq.Message[Any]) -> None:
        """Publish a copy to the dead letters, confirmed; raises dramatiq's ConnectionClosed."""
