"""The figures, on made-up ledgers."""

import math

from tests.chaos import figures
from tests.chaos.ledger import Asked, Death, Entry, Fault, Step


def start(at: float, pid: int = 1, task_id: str = "a", attempt: int = 1) -> Step:
    return Step(event="start", ref="r", task_id=task_id, attempt=attempt, token=f"t{at}", pid=pid, at=at)


def asked(at: float = 0.0, **more: object) -> Asked:
    fields = {"ref": "r", "kind": "k", "answer": "accepted", "at": at, "took_ms": 5.0, "task_id": "a"}
    return Asked(**fields | more)  # type: ignore[arg-type]


def test_percentiles_are_values_that_occurred() -> None:
    found = figures.spread(range(1, 201))
    assert (found.count, found.p50, found.p99, found.most) == (200, 100, 198, 200)
    assert found.text("ms", 0) == "p50 100, p99 198, most 200 ms (200)"


def test_nothing_has_no_percentiles() -> None:
    assert math.isnan(figures.spread([]).p99)
    assert figures.spread([]).text("s") == "none"


def test_a_restart_counts_from_the_death_of_the_worker() -> None:
    entries: list[Entry] = [start(1), Death(pid=1, name="worker-1", at=3), start(9.5, pid=2)]
    assert figures.restarts(entries) == [6.5]


def test_a_task_that_was_taken_over_before_its_worker_died_was_not_restarted() -> None:
    entries: list[Entry] = [start(1), start(9.5, pid=2), Death(pid=1, name="worker-1", at=20)]
    assert figures.restarts(entries) == []


def test_a_restart_while_a_server_was_broken_says_nothing() -> None:
    entries: list[Entry] = [start(1), Death(pid=1, name="worker-1", at=3), start(9.5, pid=2)]
    assert figures.restarts([*entries, Fault(kind="kill redis", at=4, until=5)]) == []
    assert figures.restarts([*entries, Fault(kind="kill worker", at=3, until=5)]) == [6.5]


def test_refusals_count_only_while_rabbitmq_alone_is_blocked_or_down() -> None:
    refused = asked(5.0, answer="refused", status=503, took_ms=12.0)
    down = Fault(kind="kill rabbitmq", at=4, until=6)
    assert figures.refusals_ms([refused, down]) == [12.0]
    assert figures.refusals_ms([refused]) == []
    assert figures.refusals_ms([refused, down, Fault(kind="silent redis", at=4.5, until=5.5)]) == []


def test_a_repeat_is_a_second_start_of_the_same_attempt() -> None:
    assert figures.repeats([start(1), start(2, attempt=2), start(3, task_id="b")]) == 0
    assert figures.repeats([start(1), start(2)]) == 1
