"""Counts what keys with limits ask for, as Calls: the same for all web processes."""

from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text


def take(
    keys: Keys, key_id: str, rate: tuple[int, int], requests: int, quota: int, tasks: int
) -> Call[tuple[str, int, int, int, int, int]]:
    """Take requests of a rate (count, seconds; count 0: any number) and tasks of a day's quota (0: any).

    Answers ("" or `rate` or `quota`: what is used up, and nothing was taken; requests left; ms until all
    of the rate is there; ms until one request is; tasks left; ms until the day ends).
    """
    arguments: list[str | int] = [keys.prefix, key_id, rate[0], rate[1] * 1000, requests, quota, tasks]
    return Call(_taken, [*arguments], script("limit_take"))


def _taken(answer: Any) -> tuple[str, int, int, int, int, int]:
    left, full_ms, again_ms, tasks_left, day_ends_ms = (int(each) for each in answer[1:])
    return text(answer[0]), left, full_ms, again_ms, tasks_left, day_ends_ms


def give_back(keys: Keys, key_id: str, tasks: int) -> Call[int]:
    """Give back tasks of today's quota that were not accepted."""
    return Call(int, [keys.prefix, key_id, tasks], script("limit_give_back"))
