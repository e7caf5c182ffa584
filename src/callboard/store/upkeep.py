"""What the scheduler's every-minute work asks of Redis, as Calls. Pure."""

from typing import Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks.ids import new_task_id

#: Seconds it is remembered that somebody did a minute's work.
TICK_TTL_S: Final = 3_600


def take_tick(keys: Keys, name: str, minute: int) -> Call[bool]:
    """Take a minute's work for this process; False when another scheduler has it."""
    token = new_task_id()  # the same when this Call is sent twice
    return Call(bool, [keys.prefix, keys.tick(name, minute), token, TICK_TTL_S], script("tick"))


def trim(keys: Keys, index: str, below_id: str, after_id: str, at_most: int = 500) -> Call[tuple[str, int]]:
    """Drop expired entries of one index; answers (id to go on after or "", how many)."""
    start = f"({after_id}" if after_id else "-"
    return Call(
        lambda answer: (text(answer[0]), int(answer[1])),
        [keys.prefix, index, f"({below_id}", start, at_most],
        script("trim"),
    )
