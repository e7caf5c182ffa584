"""Reads a task's kept events and log lines in order. Pure Call."""

from typing import Any

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks import events
from callboard.tasks.events import Replay


def replay(keys: Keys, task_id: str, after: int) -> Call[Replay]:
    """Read what happened to a task after version `after` (0: from the start)."""
    return Call(
        lambda answer: _decode(task_id, after, answer), [keys.prefix, task_id, after], script("replay")
    )


def _decode(task_id: str, after: int, answer: Any) -> Replay:
    status, version = text(answer[0]), int(answer[1] or 0)
    found = [events.decode(task_id, int(number), text(each)) for number, each in answer[2]]
    found += [events.decode_line(task_id, line) for line in answer[3]]
    kept = sorted((each for each in found if each.version > after), key=lambda each: each.version)
    first = kept[0].version if kept else version + 1
    missing = (after + 1, first - 1) if status and first > after + 1 else None
    return Replay(kept, version, status, missing)
