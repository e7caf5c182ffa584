"""Scheduler processes that go by a clock which is set by hand, and are killed at any moment.

`python -m tests.simulated_schedulers CLOCK` is one of them; Simulation runs several and sets the clock.
"""

import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from callboard import bootstrap, logs
from callboard.local.process import ServerProcess
from callboard.scheduler.timetable import Timetable
from callboard.settings import from_env
from callboard.store import schedules
from callboard.store.keys import Keys
from callboard.store.schedules import Definition
from callboard.store.sync import SyncStore
from callboard.tasks.ids import created_ms, new_task_id
from tests.patience import wait_until

MINUTE_MS: Final = 60_000
#: Real seconds between a scheduler's looks at its clock.
LOOK_S: Final = 0.01


class HandClock:
    """A clock in a file, which other processes read."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)

    def set(self, at_ms: int) -> None:
        """Set it to milliseconds since the epoch."""
        os.pwrite(self._file, b"%020d" % at_ms, 0)

    def read(self) -> int:
        """Return what it shows."""
        return int(os.pread(self._file, 20, 0))


@dataclass
class Simulation:
    """Two schedulers on one installation, whose schedules tick by a clock that is set here.

    The clock starts at a full day later than the real one, so that no scheduler of the real time meddles.
    """

    store: SyncStore
    keys: Keys
    env: Mapping[str, str]
    folder: Path
    rng: random.Random
    start_ms: int
    schedulers: int = 2
    kills: int = 0
    #: Cron by schedule id.
    crons: dict[str, str] = field(default_factory=dict)
    _processes: list[ServerProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Set the clock to its start."""
        path = self.folder / "clock"
        self.clock = HandClock(path)
        self.start_ms -= self.start_ms % MINUTE_MS
        self.now = self.latest = self.start_ms
        self.clock.set(self.now)
        self._argv = [sys.executable, "-m", "tests.simulated_schedulers", str(path)]

    def __enter__(self) -> "Simulation":
        """Start the schedulers."""
        for number in range(self.schedulers):
            process = ServerProcess(f"scheduler-{number}", self.folder / f"scheduler-{number}.log")
            process.start(self._argv, self.env)
            self._processes.append(process)
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Kill them."""
        for process in self._processes:
            process.kill()

    def add(self, cron: str, task: bytes, missed: str = "all") -> str:
        """Make a schedule; returns its id."""
        schedule_id = new_task_id()
        definition = Definition(name=cron, cron=cron, time_zone="Europe/Berlin", missed=missed, task=task)
        first = Timetable(cron, "Europe/Berlin").next(self.now, 1)[0]
        call = schedules.save(
            self.keys, schedule_id, schedules.fields_of(definition), expected="new",
            settled_ms=self.now, next_tick=first, at_most=1_000,
        )  # fmt: skip
        assert self.store.run(call) == "saved"
        self.crons[schedule_id] = cron
        return schedule_id

    def go(self, minutes: int, *, kill: bool = False, wait: bool = True) -> None:
        """Set the clock forward (or back); `kill` ends a scheduler soon after, anywhere in its work."""
        self.now += minutes * MINUTE_MS
        self.latest = max(self.latest, self.now)
        self.clock.set(self.now + self.rng.randrange(MINUTE_MS // 2))
        if kill:
            threading.Event().wait(self.rng.uniform(0, 0.1))
            self._kill()
        if wait:
            self.settled()

    def _kill(self) -> None:
        process = self.rng.choice([each for each in self._processes if each.alive])
        process.kill()
        process.start(self._argv, self.env)
        self.kills += 1

    def settled(self) -> None:
        """Wait until no tick is due."""
        wait_until(
            lambda: not self.store.run(schedules.due(self.keys, self.now, 1)),
            what="every due tick is settled",
            every_s=0.01,
        )

    def expected(self) -> set[tuple[str, int]]:
        """Return schedule and time of every tick there has been."""
        return {
            (schedule_id, tick)
            for schedule_id, cron in self.crons.items()
            for tick in Timetable(cron, "Europe/Berlin").newest(self.start_ms, self.latest, 10**6)
        }

    def tick_of(self, schedule_id: str, task_id: str) -> tuple[str, int]:
        """Return which tick a task is of."""
        return schedule_id, created_ms(task_id)

    def told(self) -> str:
        """Return what the schedulers have logged."""
        return "".join(
            each.log.read_text("utf-8", "replace") for each in self._processes if each.log.exists()
        )


@dataclass(frozen=True)
class Outcome:
    """How the runs of tasks compare with the ticks."""

    ticks: int
    missed: list[tuple[str, int]]
    doubled: list[tuple[str, int]]
    unasked: list[tuple[str, int]]


def compare(expected: set[tuple[str, int]], ran: list[tuple[str, int]]) -> Outcome:
    """Compare ticks with runs, each given as schedule and time."""
    counted = Counter(ran)
    return Outcome(
        ticks=len(expected),
        missed=sorted(expected - counted.keys()),
        doubled=sorted(each for each, times in counted.items() if times > 1),
        unasked=sorted(counted.keys() - expected),
    )


def main() -> None:
    """Run one scheduler until SIGTERM."""
    clock = HandClock(Path(sys.argv[1]))
    logs.setup("INFO", "console")
    process = bootstrap.scheduler(from_env(), clock=clock.read, look_s=LOOK_S)
    stop = threading.Event()

    def on_signal(_number: int, _frame: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    process.start()
    stop.wait()
    process.stop()


if __name__ == "__main__":
    main()
