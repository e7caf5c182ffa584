"""How often a task may be started, and what becomes of one that takes its workers with it."""

from callboard.store import calls
from callboard.tasks.states import State
from tests.contract.store.bench import Bench


async def test_a_repeated_claim_of_poison_is_poison_again(bench: Bench) -> None:
    task, _ = await bench.running()
    for start in range(calls.STARTS_ALLOWED):
        bench.lapse(task)
        call = calls.claim(bench.keys, task.task_id, "host:1", 0, None, f"host:1/{start}")
        found = await bench.run(call)
    assert found.kind == "poison"
    before = bench.raw(task)
    assert await bench.run(call) == found
    assert bench.raw(task) == before


async def test_a_task_that_has_lost_two_workers_runs_apart_from_others(bench: Bench) -> None:
    task, _ = await bench.running()
    found = []
    for _ in range(3):
        bench.lapse(task)
        found.append((await bench.claim(task)).apart)
    assert found == [False, True, True]


async def test_a_run_that_killed_its_own_process_is_the_last(bench: Bench) -> None:
    task, run = await bench.running()
    assert await bench.run(calls.condemn(bench.keys, task.task_id, run + 1)) == "stale"
    assert await bench.run(calls.condemn(bench.keys, task.task_id, run)) == "ok"
    await bench.run(calls.release(bench.keys, [(task.task_id, run)]))
    call = calls.claim(bench.keys, task.task_id, "host:2", 0, None, "host:2/1")
    found = await bench.run(call)
    assert (found.kind, found.why) == ("poison", "1")
    assert await bench.run(call) == found
    assert await bench.conclude(task, found.run, State.FAILED) == "recorded"
    assert await bench.run(calls.condemn(bench.keys, task.task_id, found.run)) == "stale"


async def test_a_condemned_run_that_was_to_be_retried_all_the_same_starts_afresh(bench: Bench) -> None:
    task, run = await bench.running()
    await bench.run(calls.condemn(bench.keys, task.task_id, run))
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    assert (await bench.claim(task, 1)).kind == "run"


async def test_a_task_that_keeps_killing_its_worker_is_stopped(bench: Bench) -> None:
    task, _ = await bench.running()
    for _ in range(calls.STARTS_ALLOWED - 1):
        bench.lapse(task)
        assert (await bench.claim(task)).kind == "run"
    bench.lapse(task)
    claim = await bench.claim(task)
    assert claim.kind == "poison"
    assert claim.why == str(calls.STARTS_ALLOWED)
    assert await bench.conclude(task, claim.run, State.FAILED, error=b'{"type":"WorkerLost"}') == "recorded"
    assert (await bench.claim(task)).kind == "skip"


async def test_a_poisonous_task_is_never_run_again_even_if_its_end_is_not_recorded(bench: Bench) -> None:
    task, _ = await bench.running()
    for _ in range(calls.STARTS_ALLOWED + 3):
        bench.lapse(task)
        last = await bench.claim(task)
    assert last.kind == "poison"


async def test_starts_are_counted_for_each_attempt_alone(bench: Bench) -> None:
    task, run = await bench.running()
    for _ in range(calls.STARTS_ALLOWED - 1):
        bench.lapse(task)
        run = (await bench.claim(task)).run
    await bench.conclude(task, run, State.RETRYING, due_ms=1)
    assert (await bench.claim(task, 1)).kind == "run"
    for _ in range(calls.STARTS_ALLOWED - 1):
        bench.lapse(task)
        assert (await bench.claim(task, 1)).kind == "run"


async def test_a_run_that_was_given_back_does_not_count_as_a_start(bench: Bench) -> None:
    task, run = await bench.running()
    for _ in range(calls.STARTS_ALLOWED * 2):
        await bench.run(calls.release(bench.keys, [(task.task_id, run)]))
        claim = await bench.claim(task)
        assert claim.kind == "run"
        run = claim.run
