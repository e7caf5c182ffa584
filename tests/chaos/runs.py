"""The runs of tasks as intervals of time, from the lines that the tasks wrote. Pure."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from tests.chaos.ledger import Death, Step

#: Seconds after which the supervisor has noticed a death at the latest.
NOTICE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task's function; times are seconds since the epoch."""

    task_id: str
    token: str
    attempt: int
    #: Its process, and those that made it: it ends with any of them.
    pids: tuple[int, ...]
    start: float
    #: When it ended or its process died; infinite when neither is known.
    stop: float
    #: Whether the function returned.
    ended: bool
    #: Whether its process died in it.
    killed: bool


def by_task(steps: list[Step], deaths: list[Death]) -> dict[str, list[Run]]:
    """Return the runs of each task by their start."""
    last = {(each.token, each.task_id): each for each in steps if each.event in ("end", "fail", "stop")}
    died: defaultdict[int, list[float]] = defaultdict(list)
    for death in deaths:
        died[death.pid].append(death.at)
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for each in steps:
        if each.event != "start":
            continue
        over = last.get((each.token, each.task_id))
        pids = (each.pid, *each.parents)
        end = min((at for pid in pids for at in died[pid] if at >= each.at), default=math.inf)
        found[each.task_id].append(
            Run(
                task_id=each.task_id, token=each.token, attempt=each.attempt, pids=pids, start=each.at,
                stop=over.at if over else end, ended=over is not None and over.event == "end",
                killed=over is None and end < math.inf,
            )
        )  # fmt: skip
    for runs in found.values():
        runs.sort(key=lambda run: run.start)
    return dict(found)


def overlapping(runs: list[Run]) -> list[tuple[Run, Run]]:
    """Return the pairs of runs that went on at the same time, the earlier one first."""
    return [
        (first, second)
        for index, first in enumerate(runs)
        for second in runs[index + 1 :]
        if first.token and second.start < first.stop - (NOTICE_S if first.killed else 0)
    ]
