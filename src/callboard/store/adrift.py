"""Tasks that wait or run by their record while RabbitMQ may have no message for them, as Calls.

Two things lead here: RabbitMQ came back without its data, or Redis without its last second (a record
says running, the message is acked). reconcile.py sends their messages again; the claim makes a message
too many harmless.
"""

from collections.abc import Sequence
from typing import Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text, texts
from callboard.tasks.states import TERMINAL, Priority, State

#: Milliseconds for which a running task must have been without a lease, seen from here, until its message
#: is taken to be lost: RabbitMQ notices a half-open connection within 30 s and gives its messages to others.
UNCLAIMED_MS: Final = 30_000
#: Milliseconds until a message is sent again for the same reason: the first may wait in a long queue.
RESENT_MS: Final = 600_000
#: Milliseconds for which whoever takes entries has them alone.
TAKEN_MS: Final = 30_000


def indexes(types: list[str]) -> list[str]:
    """Return the names (without prefix) of all indexes of tasks that have not ended."""
    return [
        f"idx:{task_type}:{priority.value}:{state.value}"
        for task_type in types
        for priority in Priority
        for state in State
        if state not in TERMINAL
    ]


def add(keys: Keys, index: str, after: str, at_most: int = 500) -> Call[str]:
    """Add the tasks of one index that follow the id `after` ("" at first); answers the last one or ""."""
    return Call(text, [keys.prefix, index, f"({after}" if after else "-", at_most], script("adrift_add"))


def add_unclaimed(keys: Keys) -> Call[int]:
    """Add running tasks that nobody has run for UNCLAIMED_MS; answers how many."""
    return Call(int, [keys.prefix, UNCLAIMED_MS, RESENT_MS], script("adrift_unclaimed"))


def take(keys: Keys, at_most: int = 200) -> Call[list[str]]:
    """Take entries to send their messages; answers their task ids."""
    return Call(texts, [keys.prefix, TAKEN_MS, at_most], script("adrift_take"))


def sent(keys: Keys, task_ids: Sequence[str]) -> Call[int]:
    """RabbitMQ has confirmed the messages of these (1 or more): they are not adrift any more."""
    return Call(int, ["ZREM", keys.adrift, *task_ids])


def take_overdue(keys: Keys, at_most: int = 200) -> Call[list[str]]:
    """Take tasks whose time came a while ago and that nobody has started; answers their ids."""
    return Call(texts, [keys.prefix, TAKEN_MS, at_most], script("overdue"))


def overdue_sent(keys: Keys, task_ids: Sequence[str]) -> Call[int]:
    """Their messages have been sent once more (1 or more): nobody looks at them again."""
    return Call(int, ["ZREM", keys.overdue, *task_ids])
