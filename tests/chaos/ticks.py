"""Promise 7, measured: schedulers that are killed while the clock runs on, and is set forward and back."""

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from callboard.local.process import LocalServerError, wait_until
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from callboard.tasks.times import now_ms
from tests.chaos.client import new_ref
from tests.chaos.figures import Figure
from tests.chaos.measures import Bench
from tests.simulated_schedulers import Outcome, Simulation, compare

DAY_MS: Final = 86_400_000
#: Together 9 ticks a minute.
CRONS: Final = (*["* * * * *"] * 8, "*/2 * * * *", "1-59/2 * * * *")
#: Minutes of the clock that pass one by one, and at least in all: 1,000 ticks.
MINUTES: Final = 90
MINUTES_IN_ALL: Final = 120
#: Every how many of them the clock is set.
JUMP: Final = 12


def ticks(bench: Bench, kills: int = 20) -> Figure:
    """Promise 7: 1,000 ticks, 20 scheduler kills, clock jumps: missed 0, doubled 0."""
    rng = random.Random(bench.rng.random())
    store = SyncStore(sync_client(bench.cluster.redis.url))
    folder = bench.cluster.folder / "ticks"
    folder.mkdir()
    with _alone(bench), Simulation(
        store, keys_for(""), bench.cluster.environment(), folder, rng, now_ms() + DAY_MS
    ) as simulation:  # fmt: skip
        refs = {}
        for cron in CRONS:
            ref = new_ref()
            body = {"task_type": "chaos_noop", "parameters": {"ref": ref}}
            refs[ref] = simulation.add(cron, json.dumps(body).encode())
        killed = set(rng.sample(range(MINUTES), kills))
        jumps = 0
        for minute in range(MINUTES):
            simulation.go(1, kill=minute in killed, wait=rng.random() < 0.7)
            if minute % JUMP == JUMP - 1:
                jumps += 1
                simulation.go(rng.randint(5, 20) if jumps % 2 else -rng.randint(3, 15), kill=False)
        until = max(simulation.latest, simulation.start_ms + MINUTES_IN_ALL * 60_000)
        simulation.go((until - simulation.now) // 60_000 + 1)
        outcome = _outcome(bench, simulation, refs)
    store.close()
    return Figure(
        text=f"missed {len(outcome.missed)}, doubled {len(outcome.doubled)} of {outcome.ticks:,} ticks; "
        f"{simulation.kills} kills, {jumps} clock jumps",
        how="two schedulers on a simulated clock, ten schedules that make up for missed ticks; one scheduler "
        "is killed within 0.1 s of a tick, the clock set 5 to 20 minutes forward or 3 to 15 back; counted by "
        "the tasks' own lines",
        kept=not (outcome.missed or outcome.doubled or outcome.unasked) and outcome.ticks >= 1_000,
    )


def _outcome(bench: Bench, simulation: Simulation, refs: dict[str, str]) -> Outcome:
    """Wait until every tick's task has run, or a minute is over, and compare."""
    expected = simulation.expected()

    def ran() -> list[tuple[str, int]]:
        return [
            simulation.tick_of(refs[each.ref], each.task_id) for each in bench.steps() if each.ref in refs
        ]

    with suppress(LocalServerError):
        wait_until(lambda: expected <= set(ran()), timeout_s=60, what="all have run", every_s=0.5)
    bench.pause(2.0)
    return compare(expected, ran())


@contextmanager
def _alone(bench: Bench) -> Iterator[None]:
    """Stop the cluster's own scheduler, which goes by the real clock, for the time being."""
    program = bench.cluster.programs["scheduler"]
    program.wanted = False
    if program.pid is not None:
        os.kill(program.pid, signal.SIGTERM)
    wait_until(lambda: program.pid is None, timeout_s=20, what="the cluster's scheduler has stopped")
    try:
        yield
    finally:
        program.wanted = True
