"""Reads a task's kept events and log lines in order, a page at a time. Pure Call."""

from typing import Any, Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text
from callboard.tasks import events
from callboard.tasks.events import EVENTS_KEPT, Replay

#: Events and lines of one page: a reader that waits for its client holds no more than that.
PAGE: Final = 256


def replay(keys: Keys, task_id: str, after: int, most: int = PAGE) -> Call[Replay]:
    """Read what happened to a task after version `after` (0: from the start)."""
    return Call(
        lambda answer: _decode(task_id, after, most, answer),
        [keys.prefix, task_id, after, most],
        script("replay"),
    )


def _decode(task_id: str, after: int, most: int, answer: Any) -> Replay:
    status, version = text(answer[0]), int(answer[1] or 0)
    numbered, lines = answer[2], [events.decode_line(task_id, line) for line in answer[3]]
    found = [events.decode(task_id, int(number), text(each)) for number, each in numbered] + lines
    # Each kind is complete up to where its own page ends; the answer goes as far as both do.
    upto = min(version, max(after, version - EVENTS_KEPT) + most)
    if len(lines) == most:
        upto = min(upto, lines[-1].version)
    kept = sorted((each for each in found if each.version <= upto), key=lambda each: each.version)
    return Replay(kept, version, status, after, upto)
