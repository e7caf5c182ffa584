"""Ten minutes of a simulated clock with two schedulers that keep being killed: every tick exactly once."""

import json
import random
import secrets
from typing import Any

import pytest

from callboard.store import schedules
from callboard.tasks.times import now_ms
from tests.integration.worker.harness import Installation, Worker, soon
from tests.simulated_schedulers import Simulation, compare

DAY_MS = 86_400_000


@pytest.fixture
def simulation(board: Installation) -> Simulation:
    """Schedulers of this test's namespace, whose clock stands a day later than it is."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    return Simulation(
        board.store, board.keys, board.environment(), board.folder, random.Random(seed), now_ms() + DAY_MS
    )


def task(ledger: str) -> bytes:
    return json.dumps({"task_type": "noted", "parameters": {"ledger": ledger}}).encode()


def ran(board: Installation, ledgers: dict[str, str], simulation: Simulation) -> list[tuple[str, int]]:
    return [
        simulation.tick_of(schedule_id, entry["task_id"])
        for schedule_id, ledger in ledgers.items()
        for entry in board.ledger(ledger, "ran")
    ]


def test_two_schedulers_and_kills_for_ten_minutes(
    board: Installation, worker: Worker, simulation: Simulation
) -> None:
    with simulation:
        ledgers = {}
        for number, cron in enumerate(["* * * * *", "* * * * *", "*/2 * * * *", "*/3 * * * *"]):
            ledger = str(board.folder / f"ticks-{number}")
            ledgers[simulation.add(cron, task(ledger))] = ledger
        for minute in range(10):
            simulation.go(1, kill=minute % 2 == 0, wait=minute % 3 != 0)
        assert simulation.kills == 5
        assert 24 <= len(simulation.expected()) <= 30
        _each_once(board, ledgers, simulation)
        _clock_jumps(board, ledgers, simulation)
    assert "Traceback" not in simulation.told()


def _each_once(board: Installation, ledgers: dict[str, str], simulation: Simulation) -> None:
    """Let a last minute pass, then wait until every tick's task has run, and none twice."""
    simulation.settled()
    left: Any = board.redis.zrange(board.keys.outbox, 0, -1)
    if left:  # their scheduler was killed before it published them: let ten seconds pass in which nobody does
        board.redis.zadd(board.keys.outbox, dict.fromkeys(left, 0))
    simulation.go(1)
    expected = simulation.expected()
    soon(lambda: len(ran(board, ledgers, simulation)) >= len(expected), "every task has run")
    outcome = compare(expected, ran(board, ledgers, simulation))
    assert (outcome.missed, outcome.doubled, outcome.unasked) == ([], [], [])


def _clock_jumps(board: Installation, ledgers: dict[str, str], simulation: Simulation) -> None:
    """Back by five minutes, on again, forward by 20, and back: nothing twice, nothing left out."""
    for minutes in (-5, 2, 1, 20, -30, 1, 32):
        simulation.go(minutes, kill=minutes == 20)
    _each_once(board, ledgers, simulation)
    for schedule_id in ledgers:
        found = board.store.run(schedules.read(board.keys, schedule_id))
        assert found is not None
        assert (found.skipped, found.problem) == (0, None)
