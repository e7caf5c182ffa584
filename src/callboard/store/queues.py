"""Pausing queues, and how many tasks came into them. Pure Calls.

A pause is one entry of a hash in Redis. Every claim looks for it, so that nothing of a paused queue starts
whatever a worker has heard; that workers take nothing from RabbitMQ meanwhile is worker/pause.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks.ids import first_id_at


def pause(keys: Keys, queue: str) -> Call[int]:
    """Start nothing more of a queue; answers since when (milliseconds since the epoch)."""
    return Call(int, [keys.prefix, queue], script("pause"))


def resume(keys: Keys, queue: str) -> Call[bool]:
    """Start a queue's tasks again; answers whether it was paused."""
    return Call(bool, [keys.prefix, queue], script("resume"))


def paused(keys: Keys) -> Call[dict[str, int]]:
    """Read the paused queues, each with since when (milliseconds since the epoch)."""

    def decode(answer: Any) -> dict[str, int]:
        flat = answer.items() if isinstance(answer, Mapping) else zip(answer[::2], answer[1::2], strict=True)
        return {text(name): int(since) for name, since in flat}

    return Call(decode, ["HGETALL", keys.paused])


def arrivals(keys: Keys, types: Sequence[str], from_ms: int, to_ms: int) -> Call[dict[str, int]]:
    """Count the tasks that were made from `from_ms` until before `to_ms`, by type; those of deleted ones
    are not known any more.
    """
    return Call(
        lambda answer: dict(zip(types, map(int, answer), strict=True)),
        [keys.prefix, first_id_at(from_ms), first_id_at(to_ms), *types],
        script("arrivals"),
    )
