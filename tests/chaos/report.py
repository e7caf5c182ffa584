"""docs/reliability.md: each promise, its figure, how it was measured, on what. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.figures import Figure

PROMISES: Final = (
    "Answered 202: it runs to an end, whatever dies",
    "One recorded end per task; effects keyed by task id happen once",
    "Without faults nothing runs twice",
    "A killed worker's task restarts within 10 s, one behind a dead connection within 30 s",
    "RabbitMQ blocked or down: 503 with p99 of at most 200 ms; no request hangs; a refused task never runs",
    "Delays: late by at most 1 s (p99) with many waiting; through a kill of RabbitMQ by its restart and 1 s",
    "Schedules: no tick missed, none doubled, through kills and clock jumps",
    "A task that kills its process is started at most 3 times, and its neighbours all complete",
    "Cancelled before it started: never runs",
    "A resumed event stream has no gap and no repeat",
)


_KEPT: Final = {True: "yes", False: "**no**", None: "-"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the figures come from."""

    seed: int
    minutes: float
    accepted: int
    faults: Counter[str]
    machine: str
    versions: Mapping[str, str]
    #: By the number of their promise, 1 to 10; a promise may have several.
    figures: Mapping[int, list[Figure]]


def page(run: Run) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Reliability, measured",
            "",
            "`make chaos` writes this page: it starts RabbitMQ, Redis, web processes, workers and a "
            "scheduler of its own, breaks them while clients submit, and compares what clients were told "
            "with what tasks did and what the records say. How: [tests/chaos](../tests/chaos). A minute of "
            "it is part of `make test`.",
            "",
            f"- {run.minutes:g} minutes of faults, {run.accepted:,} tasks accepted, {run.faults.total()} "
            f"faults; `make chaos MINUTES={run.minutes:g} SEED={run.seed}` draws the same again",
            f"- {run.machine}",
            f"- {', '.join(f'{name} {version}' for name, version in run.versions.items())}",
            "",
            "| # | promise | figure | how measured | kept |",
            "| --- | --- | --- | --- | --- |",
            *_rows(run),
            "",
            "## Faults",
            "",
            "| fault | times |",
            "| --- | --- |",
            *(f"| {name} | {times} |" for name, times in sorted(run.faults.items())),
            "",
        ]
    )


def _rows(run: Run) -> list[str]:
    return [
        f"| {number} | {promise} | {each.text} | {each.how} | {_KEPT[each.kept]} |"
        for number, promise in enumerate(PROMISES, 1)
        for each in run.figures[number]
    ]


def broken(run: Run) -> list[str]:
    """Return the promises that were not kept."""
    return [
        f"promise {number}: {each.text}"
        for number, found in run.figures.items()
        for each in found
        if each.kept is False
    ]
