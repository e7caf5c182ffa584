"""A claim whose answer was lost is sent again: it must not meet its own lease."""

from callboard.store import calls
from callboard.tasks.states import State
from tests.contract.store.bench import Bench, record


async def test_a_claim_sent_twice_gets_the_same_answer(bench: Bench) -> None:
    task = await bench.create()
    claim = calls.claim(bench.keys, task.task_id, "worker", 0, None, "worker/1")
    first = await bench.run(claim)
    assert first.kind == "run"
    assert await bench.run(claim) == first


async def test_another_claim_of_the_same_worker_meets_the_lease(bench: Bench) -> None:
    task = await bench.create()
    await bench.run(calls.claim(bench.keys, task.task_id, "worker", 0, None, "worker/1"))
    again = await bench.run(calls.claim(bench.keys, task.task_id, "worker", 0, None, "worker/2"))
    assert again.kind == "busy"


async def test_a_record_rebuilt_from_an_early_message_waits_for_its_time(bench: Bench) -> None:
    due_ms = bench.now_ms() + 60_000
    task = record()
    assert (await bench.rebuild(task, due_ms)).kind == "early"
    found = await bench.read(task)
    assert (found.status, found.eta) == (State.SCHEDULED, due_ms)
    assert bench.score("due", task) == due_ms
