"""How many tasks a filter means: as many as the list would show, and as many as an operation then does."""

from typing import Any

from callboard import bulk
from callboard.bulk import Bulk, order_of
from callboard.store.operations import Operation
from callboard.tasks.ids import first_id_at
from callboard.tasks.states import State
from callboard.tasks.times import now_ms
from tests.contract.store.bench import TTL_S, Bench
from tests.contract.store.test_pages import a_crowd, matches


def office(bench: Bench) -> Bulk:
    return Bulk(bench, bench.keys, TTL_S, lambda: None)


async def count(bench: Bench, **wanted: Any) -> int:
    return await office(bench).count(order_of({"action": "cancel", "filter": wanted}).wanted)


async def begin(bench: Bench, action: str, **fields: Any) -> Operation:
    return await office(bench).begin(order_of({"action": action, **fields}))


FILTERS: list[dict[str, Any]] = [
    {"status": "queued"},
    {"status": ["running", "succeeded"]},
    {"type": "sentiment"},
    {"type": ["sentiment", "flaky"], "priority": "high"},
    {"priority": ["high", "low"], "status": ["failed"]},
    {"queue": ["email", "data"]},
    {"tag": "blue"},
    {"tag": ["blue", "red"]},
    {"tag": "red", "status": ["failed", "cancelled"]},
    {"created_after": "2026-01-31T12:00:00.012Z"},
    {"created_before": ["2026-01-31T12:00:00.030Z"], "type": "flaky"},
    {
        "created_after": "2026-01-31T12:00:00.010Z",
        "created_before": "2026-01-31T12:00:00.020Z",
        "status": "queued",
    },
    {"type": "unheard_of"},
    {"queue": "unheard_of"},
    {"created_after": "2026-01-31T13:00:00Z"},
]


async def test_a_count_is_the_number_of_tasks_the_list_would_show(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    for wanted in FILTERS:
        order = order_of({"action": "cancel", "filter": wanted})
        expected = sum(matches(order.wanted, task) for task in crowd)
        assert await office(bench).count(order.wanted) == expected, wanted
    assert await office(bench).count(order_of({"action": "cancel", "all": True}).wanted) == len(crowd)


async def test_an_operation_matches_what_was_counted(bench: Bench) -> None:
    await a_crowd(bench)
    for wanted in FILTERS:
        begun = await begin(bench, "cancel", filter=wanted, expect=await count(bench, **wanted))
        await office(bench).cancel(begun.operation_id) if begun.matched else None
    everything = order_of({"action": "cancel", "all": True})
    assert (await office(bench).begin(everything)).matched == await office(bench).count(everything.wanted)


async def test_young_and_old_tasks_are_counted_alike(bench: Bench) -> None:
    """The indexes are only asked about times at which no record can have expired."""
    edge_ms = now_ms() - TTL_S * 1000 + bulk.MARGIN_MS
    times = [edge_ms - 50_000, edge_ms - 10_000, edge_ms + 10_000, edge_ms + 50_000]
    tasks = [await bench.in_state(State.FAILED, task_id=first_id_at(at_ms)[:-1] + "1") for at_ms in times]
    assert await count(bench, status="failed") == 4
    for gone in (tasks[1], tasks[2]):
        bench.client.delete(bench.keys.task(gone.task_id))
    assert await count(bench, status="failed") == 3  # the young one cannot have expired
    begun = await begin(bench, "delete", filter={"status": "failed"})
    assert begun.matched == 2


async def test_tasks_that_never_expire_are_counted_by_the_indexes_alone(bench: Bench) -> None:
    await a_crowd(bench)  # long ago
    bench.client.delete(*bench.client.keys(f"{bench.keys.prefix}task:*"))
    assert await count(bench, status=["queued", "running"]) == 14
    assert await count(bench, status=["failed"]) == 0
