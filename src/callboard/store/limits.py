"""Counts what keys with limits ask for, as Calls: the same for all web processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script


@dataclass(frozen=True, slots=True)
class Grant:
    """What was taken together, and what was left after it; times in milliseconds from now."""

    #: Of the requests that were asked for.
    requests: int
    requests_left: int
    #: Until all of the rate is there again, and until one more request is.
    full_ms: int
    again_ms: int
    #: For each number of tasks that was asked for, whether it was taken (whole); and how many that are.
    tasks: tuple[bool, ...]
    sum_of_tasks: int
    tasks_left: int
    day_ends_ms: int


def take(
    keys: Keys, key_id: str, rate: tuple[int, int], requests: int, quota: int, tasks: Sequence[int]
) -> Call[Grant]:
    """Take requests of a rate (count, seconds; count 0: any number) and numbers of tasks of a day's quota.

    `quota` 0 means that tasks are not counted; then none may be asked for.
    """
    arguments: list[str | int] = [keys.prefix, key_id, rate[0], rate[1] * 1000, requests, quota, *tasks]

    def decode(answer: Any) -> Grant:
        taken, left, full_ms, again_ms, tasks_left, day_ends_ms = (int(each) for each in answer[:6])
        granted = tuple(each == 1 for each in answer[6:])
        together = sum(number for number, each in zip(tasks, granted, strict=False) if each)
        return Grant(taken, left, full_ms, again_ms, granted, together, tasks_left, day_ends_ms)

    return Call(decode, [*arguments], script("limit_take"))


def give_back(keys: Keys, key_id: str, tasks: int, requests: int = 0) -> Call[int]:
    """Give back tasks of today's quota that were not accepted, and requests that were not made."""
    return Call(int, [keys.prefix, key_id, tasks, requests], script("limit_give_back"))
