"""Figures of a run: how soon, how late, how often. Pure."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos import runs
from tests.chaos.ledger import Asked, Death, Entry, Fault, Step, of

#: Seconds after a fault during which its effects may still be seen.
HEAL_S: Final = 10.0
#: Faults of a server, as opposed to those of our own processes.
OF_SERVERS: Final = ("rabbitmq", "redis", "alarm")
#: RabbitMQ blocks or is down: promise 5.
BLOCKED_OR_DOWN: Final = ("memory alarm", "kill rabbitmq")


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of some values."""

    count: int
    p50: float
    p99: float
    most: float

    def text(self, unit: str, digits: int = 1) -> str:
        """Return it for a table."""
        if not self.count:
            return "none"
        values = [f"{value:,.{digits}f}" for value in (self.p50, self.p99, self.most)]
        return f"p50 {values[0]}, p99 {values[1]}, most {values[2]} {unit} ({self.count:,})"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured for one promise, and whether it was kept (None: there is nothing yet)."""

    text: str
    how: str
    kept: bool | None


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of some values (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0, math.nan, math.nan, math.nan)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(len(ordered), at(0.50), at(0.99), ordered[-1])


def disturbed(
    start: float, stop: float, faults: Sequence[Fault], names: Sequence[str], heal_s: float = HEAL_S
) -> bool:
    """Tell whether a fault with one of these words in its name touches a span of time."""
    return any(
        fault.at < stop and fault.until + heal_s > start and any(name in fault.kind for name in names)
        for fault in faults
    )


def restarts(entries: list[Entry]) -> list[float]:
    """Return the seconds from each death of a worker until its tasks ran again, servers being well.

    A task that had been taken over before, from a worker that was cut off, was not waiting for its death.
    """
    faults, deaths = of(entries, Fault), of(entries, Death)
    found = []
    for each in runs.by_task(of(entries, Step), deaths).values():
        for run, successor in itertools.pairwise(each):
            restart_s = successor.start - run.stop
            if run.killed and restart_s > 0 and not disturbed(run.stop, successor.start, faults, OF_SERVERS):
                found.append(restart_s)
    return found


def refusals_ms(entries: list[Entry]) -> list[float]:
    """Return how long answers 503 took while RabbitMQ was blocked or down, and nothing else broken."""
    faults = of(entries, Fault)
    others = [fault for fault in faults if fault.kind not in BLOCKED_OR_DOWN]
    return [
        each.took_ms
        for each in of(entries, Asked)
        if each.status == 503
        and disturbed(each.at, each.at, faults, BLOCKED_OR_DOWN, 0)
        and not disturbed(each.at, each.at + each.took_ms / 1000, others, OF_SERVERS, 1)
    ]


def answers_ms(entries: list[Entry]) -> list[float]:
    """Return how long every answer took, whatever was broken."""
    return [each.took_ms for each in of(entries, Asked) if each.status > 0]


def repeats(entries: list[Entry]) -> int:
    """Count the starts beyond the first of each task and attempt."""
    starts = [(step.task_id, step.attempt) for step in of(entries, Step) if step.event == "start"]
    return len(starts) - len(set(starts))
