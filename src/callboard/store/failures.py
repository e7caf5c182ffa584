"""What fails: the newest failed tasks, grouped by the type of their error. A pure Call."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text

#: Failed tasks of one type and priority that are looked at: 900 records hold Redis for about 2 ms.
LOOK_AT_MOST: Final = 300


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Tasks of one type that failed with the same type of error, and the one that failed last."""

    task_type: str
    error_type: str
    count: int
    queue: str
    newest_id: str
    #: Milliseconds since the epoch.
    newest_at: int
    message: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed tasks of one type: how many there are, how many the groups count, and the groups."""

    failed: int
    looked_at: int
    groups: tuple[Group, ...]


def of_type(keys: Keys, task_type: str) -> Call[Failures]:
    """Look at the newest failed tasks of one type."""

    def decode(answer: Any) -> Failures:
        return Failures(int(answer[0]), int(answer[1]), tuple(_group(task_type, row) for row in answer[2:]))

    return Call(decode, [keys.prefix, task_type, LOOK_AT_MOST], script("failures"))


def _group(task_type: str, row: list[Any]) -> Group:
    return Group(
        task_type=task_type,
        error_type=text(row[0]),
        count=int(row[1]),
        queue=text(row[5]),
        newest_id=text(row[2]),
        newest_at=int(row[3]),
        message=_message(row[4]),
    )


def _message(error: bytes) -> str:
    try:
        return msgspec.json.decode(error, type=_Error).message
    except msgspec.MsgspecError:  # there is none
        return ""
