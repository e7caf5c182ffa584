"""Walks random sequences of all operations, on several tasks at once, beside a small model.

The record's state, version, indexes and events must always be the model's, and no move may happen
that tasks/states.py does not list.
"""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from callboard.store import calls
from callboard.store.scripts import Call
from callboard.tasks.states import State, can_move
from tests.contract.store.bench import ERROR, FAR_MS, TTL_S, Bench, index, record
from tests.contract.store.model import Model

OUTCOMES = st.sampled_from([State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RETRYING])
#: How far the run or attempt that somebody speaks of lies behind the latest one.
BEHIND = st.sampled_from([0, 0, 0, 0, 0, 1, -1])


class Walk(RuleBasedStateMachine):
    """One walk in an empty namespace; `bench` is set by the test."""

    bench: Bench
    tasks: Bundle[Model] = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.bench.clear()
        self.models: list[Model] = []

    def answer(self, call: Call[Any]) -> Any:
        return asyncio.run(self.bench.run(call))

    @rule(target=tasks, eta=st.sampled_from([None, None, 1, FAR_MS]), tagged=st.booleans())
    def create(self, eta: int | None, tagged: bool) -> Any:
        if len(self.models) == 2:
            return multiple()
        status = State.QUEUED if eta is None else State.SCHEDULED
        task = record(status=status, eta=eta, tags=("a", "b") if tagged else ())
        assert self.answer(calls.create(self.bench.keys, task, None)).kind == "created"
        self.models.append(Model(task, status, due=eta == 1))
        return self.models[-1]

    @rule(model=tasks)
    def create_again_and_settle(self, model: Model) -> None:
        assert self.answer(calls.create(self.bench.keys, model.task, None)).kind == "created"
        self.answer(calls.settle(self.bench.keys, [(model.task.task_id, model.task.version)]))

    @rule(model=tasks)
    def reject(self, model: Model) -> None:
        assert self.answer(calls.reject(self.bench.keys, model.task.task_id)) == model.reject()

    @rule(model=tasks, behind=BEHIND, due=st.sampled_from([None, None, 1, FAR_MS]))
    def claim(self, model: Model, behind: int, due: int | None) -> None:
        attempt = model.attempts - (model.status is State.RUNNING) - behind
        found = self.answer(calls.claim(self.bench.keys, model.task.task_id, "host:1", attempt, due))
        assert found.kind == model.claim(attempt, due != FAR_MS)
        if found.kind in ("run", "poison"):
            assert (found.run, found.attempt) == (model.run, model.attempts)
        if found.kind == "run":
            assert found.attempt_limit == model.limit

    @rule(model=tasks, outcome=OUTCOMES, due=st.sampled_from([1, FAR_MS]))
    def run_to_its_end(self, model: Model, outcome: State, due: int) -> None:
        """Take the ordinary way, so that walks come far."""
        self.claim(model, 0, None)
        self.conclude(model, 0, outcome, due, False)

    @rule(model=tasks)
    def lose_the_worker(self, model: Model) -> None:
        self.claim(model, 0, None)
        self.lapse(model)
        self.claim(model, 0, None)

    @rule(model=tasks)
    def lapse(self, model: Model) -> None:
        if model.status is State.RUNNING:
            self.bench.lapse(model.task)
            model.lapse()

    @rule(model=tasks, behind=BEHIND)
    def release(self, model: Model, behind: int) -> None:
        run = model.run - behind
        self.answer(calls.release(self.bench.keys, [(model.task.task_id, run)]))
        model.release(run)

    @rule(model=tasks, behind=BEHIND, lines=st.integers(0, 3), progress=st.booleans())
    def report(self, model: Model, behind: int, lines: int, progress: bool) -> None:
        run = model.run - behind
        written = [calls.LogLine("INFO", 1, "line")] * lines
        call = calls.report(
            self.bench.keys, model.task.task_id, run, (0.5, "HALF") if progress else None, written
        )
        assert self.answer(call) == model.report(run, lines, progress)

    @rule(model=tasks, behind=BEHIND)
    def beat(self, model: Model, behind: int) -> None:
        run = model.run - behind
        call = calls.beat(self.bench.keys, "host:1", {"pid": 1}, [(model.task.task_id, run)])
        assert self.answer(call) == [model.beat(run)]

    @rule(model=tasks, behind=BEHIND, outcome=OUTCOMES, due=st.sampled_from([1, FAR_MS]), free=st.booleans())
    def conclude(self, model: Model, behind: int, outcome: State, due: int, free: bool) -> None:
        run = model.run - behind
        if run < 1:
            return
        ending = calls.Ending(
            task_id=model.task.task_id,
            run=run,
            outcome=outcome,
            result=b"1",
            error=ERROR,
            due_ms=due,
            free=free,
        )
        expected = model.conclude(run, outcome, due == 1, free)
        assert self.answer(calls.conclude(self.bench.keys, ending, TTL_S)) == expected

    @rule(model=tasks)
    def cancel(self, model: Model) -> None:
        call = calls.cancel(self.bench.keys, model.task.task_id, TTL_S)
        assert self.answer(call)[0] == model.cancel()

    @rule(model=tasks)
    def requeue(self, model: Model) -> None:
        assert self.answer(calls.requeue(self.bench.keys, model.task.task_id))[0] == model.requeue()

    @rule(model=tasks)
    def forget(self, model: Model) -> None:
        assert self.answer(calls.forget(self.bench.keys, model.task.task_id))[0] == model.forget()

    @rule(model=tasks)
    def fail_unclaimed(self, model: Model) -> None:
        call = calls.fail_unclaimed(self.bench.keys, model.task.task_id, ERROR, TTL_S)
        assert self.answer(call) == model.fail_unclaimed()

    @rule()
    def promote_due(self) -> None:
        self.answer(calls.promote_due(self.bench.keys))
        for model in self.models:
            model.promote()

    @rule()
    def take_outbox(self) -> None:
        taken = self.answer(calls.take_outbox(self.bench.keys, 0))
        waiting = {m.task.task_id for m in self.models if m.status in (State.QUEUED, State.SCHEDULED)}
        assert set(taken) <= waiting

    @invariant()
    def every_record_is_as_the_model_says(self) -> None:
        for model in self.models:
            found = self.answer(calls.read(self.bench.keys, model.task.task_id))
            if model.status is None:
                assert found is None
                assert self.bench.raw(model.task) == {"status": model.gone}
                continue
            assert found.status is model.status
            assert (found.attempts, found.attempt_limit) == (model.attempts, model.limit)
            assert found.cancel_requested == model.asked
            assert found.version == len(model.versions)
            kept = {event.version: event.status for event in self.bench.events(model.task)}
            assert kept == {n: state for n, state in enumerate(model.versions, 1) if state}
            life = self.bench.ttl_s(f"task:{model.task.task_id}")
            assert (life > 0) == found.terminal

    @invariant()
    def no_move_happened_that_is_not_listed(self) -> None:
        for model in self.models:
            for earlier, later in itertools.pairwise(self.bench.events(model.task)):
                start, end = State(earlier.status), State(later.status)
                if later.kind == "progress":
                    assert start is end is State.RUNNING
                else:
                    assert can_move(start, end), (start, end)

    @invariant()
    def exactly_one_index_holds_each_task(self) -> None:
        for model in self.models:
            holding = self.bench.holding(model.task)
            if model.status is None:
                assert holding == set()
                continue
            assert {name for name in holding if name.startswith("idx:")} == {index(model.task, model.status)}
            assert {"all", *(f"tag:{tag}" for tag in model.task.tags)} <= holding
            assert ("due" in holding) == (model.status in (State.SCHEDULED, State.RETRYING))


@pytest.mark.timeout(300)  # for finding the shortest sequence that fails
def test_no_sequence_of_operations_leads_off_the_table_of_states(memory_bench: Bench) -> None:
    Walk.bench = memory_bench
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            suppress_health_check=list(HealthCheck),
        ),
    )
