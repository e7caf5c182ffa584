"""Operations on many tasks: their records, their chunks of task ids, and the steps they take. Pure Calls.

What each step promises stands in `lua/operation_step.lua`; bulk.py begins operations, carry_out.py takes
their steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from callboard.store.calls import TOMBSTONE_TTL_S
from callboard.store.keys import Keys
from callboard.store.scripts import Argument, Call, script, text, texts
from callboard.tasks.states import State
from callboard.tasks.times import to_rfc3339

#: Seconds an operation's record is kept; also how long one waits for a web process to take its next step.
KEPT_S: Final = 86_400
#: Tasks of one step: 100 of them hold Redis for 2 to 4 ms.
CHUNK: Final = 100
#: A step's lease: an operation whose process died is taken over by another one after it.
STEP_LEASE_MS: Final = 5_000
#: Operations that run at the same time, and newest ones that are listed.
RUNNING_MOST: Final = 20
LISTED_MOST: Final = 50
#: Refusals an operation tells of.
ERRORS_MOST: Final = 20


class Action(StrEnum):
    """What an operation does to each of its tasks."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"


#: What cannot be done, in the words of a refusal.
_ONLY: Final = {
    Action.RETRY: "only failed or cancelled tasks can be retried",
    Action.CANCEL: "tasks that have ended cannot be cancelled",
    Action.DELETE: "only finished tasks can be deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; times in milliseconds since the epoch, `filter` as its client wrote it."""

    operation_id: str
    action: Action
    filter: msgspec.Raw
    matched: int
    done: int
    changed: int
    refused: int
    status: str
    #: Chunks that are still to be done.
    left: int
    created_at: int
    finished_at: int | None
    #: Task, kind of refusal and its status, of the first refusals.
    errors: tuple[tuple[str, str, str], ...]

    @property
    def running(self) -> bool:
        """Tell whether it has still to do something."""
        return self.status == "running"


_FIELDS: Final = (
    "action", "filter", "matched", "done", "changed", "refused", "status", "left", "created_at",
    "finished_at", "errors",
)  # fmt: skip


def _operation(operation_id: str, values: Sequence[bytes | None]) -> Operation | None:
    if values[0] is None:
        return None
    found: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))
    lines = (found["errors"] or b"").splitlines()
    numbers = ("matched", "done", "changed", "refused", "left", "created_at")
    return Operation(
        operation_id=operation_id,
        action=Action(text(found["action"])),
        filter=msgspec.Raw(found["filter"]),
        status=text(found["status"]),
        finished_at=int(found["finished_at"]) if found["finished_at"] else None,
        errors=tuple(msgspec.json.decode(line, type=tuple[str, str, str]) for line in lines),
        **{name: int(found[name]) for name in numbers},
    )


def put_chunks(keys: Keys, operation_id: str, chunks: Mapping[int, Sequence[str]]) -> list[Call[Any]]:
    """Keep task ids of an operation that has not begun yet, by number of chunk; both calls are to be sent."""
    name = f"{keys.operation(operation_id)}:chunks"
    fields: list[Argument] = []
    for number, ids in chunks.items():
        fields += (number, ",".join(ids))
    return [Call(int, ["HSET", name, *fields]), Call(int, ["EXPIRE", name, 600])]


def drop_chunks(keys: Keys, operation_id: str) -> Call[int]:
    """Forget the task ids of an operation that will not begin."""
    return Call(int, ["UNLINK", f"{keys.operation(operation_id)}:chunks"])


def begin(
    keys: Keys,
    operation_id: str,
    action: Action,
    filter_json: bytes,
    states: Sequence[State],
    counted: tuple[int, int],
) -> Call[str]:
    """Begin an operation; answers begun, or full when RUNNING_MOST others run.

    Args:
        keys: the key names.
        operation_id: its id, under which its chunks were put.
        action: what it does.
        filter_json: the filter its tasks were found with.
        states: the states a task must still be in when its turn comes; empty for any.
        counted: how many tasks and how many chunks there are.
    """
    return Call(
        text,
        [
            keys.prefix, operation_id, action.value, filter_json, ",".join(states), *counted, KEPT_S,
            RUNNING_MOST, LISTED_MOST,
        ],
        script("operation_begin"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """Outcome of a step.

    `kind`: stepped · moved (its caller knew an old number of chunks) · busy (another process holds the
    lease) · else the status it has ended with. `again` are the tasks whose messages are to be sent.
    """

    kind: str
    left: int
    again: tuple[str, ...] = ()


def step(keys: Keys, operation_id: str, owner: str, left: int, result_ttl_s: int) -> Call[Step]:
    """Do the next chunk of an operation that has `left` chunks to do."""
    return Call(
        lambda answer: Step(text(answer[0]), int(answer[1]), tuple(texts(answer[2:]))),
        [
            keys.prefix, operation_id, owner, STEP_LEASE_MS, left, result_ttl_s, TOMBSTONE_TTL_S, KEPT_S,
            ERRORS_MOST,
        ],
        script("operation_step", "by_hand"),
    )  # fmt: skip


def cancel(keys: Keys, operation_id: str) -> Call[tuple[str, str]]:
    """Stop an operation; answers (absent|cancelled|refused, the status before)."""
    return Call(
        lambda answer: (text(answer[0]), text(answer[1])),
        [keys.prefix, operation_id, KEPT_S],
        script("operation_cancel"),
    )


def read(keys: Keys, operation_id: str) -> Call[Operation | None]:
    """Read one operation."""
    return Call(
        lambda answer: _operation(operation_id, answer),
        ["HMGET", keys.operation(operation_id), *_FIELDS],
    )


def newest(keys: Keys) -> Call[list[Operation]]:
    """Read the newest operations, newest first."""
    return _list(keys, "operations", LISTED_MOST)


def running(keys: Keys) -> Call[list[Operation]]:
    """Read the operations that run, newest first."""
    return _list(keys, "operations:running", RUNNING_MOST)


def _list(keys: Keys, index: str, at_most: int) -> Call[list[Operation]]:
    def rows(answer: Any) -> list[Operation]:
        found = [_operation(text(row[0]), row[1:]) for row in answer]
        return [each for each in found if each is not None]

    return Call(rows, [keys.prefix, index, at_most, *_FIELDS], script("operations"))


def view(operation: Operation) -> dict[str, Any]:
    """Return what `GET /api/operations/{id}` answers, ready for msgspec's JSON encoder."""
    self_link = f"/api/operations/{operation.operation_id}"
    return {
        "operation_id": operation.operation_id,
        "action": operation.action.value,
        "filter": operation.filter,
        "matched": operation.matched,
        "done": operation.done,
        "changed": operation.changed,
        "refused": operation.refused,
        "errors": [
            {"task_id": task_id, "detail": _why(operation.action, kind, status)}
            for task_id, kind, status in operation.errors
        ],
        "status": operation.status,
        "created_at": to_rfc3339(operation.created_at),
        "finished_at": to_rfc3339(operation.finished_at),
        "links": {"self": self_link, "cancel": self_link + "/cancel"},
    }


def _why(action: Action, kind: str, status: str) -> str:
    if kind == "absent":
        return "the task is gone: it was deleted, or its record has expired"
    if kind == "moved":
        return f"the task is {status} by now, which the filter does not ask for"
    if kind == "refused":
        return f"{_ONLY[action]}; this one is {status}"
    return f"its record cannot be handled: {status[:200]}"
