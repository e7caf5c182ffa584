"""A random walk of one client over submit, cancel, retry by hand and killed workers, on real processes.

The steps come from hypothesis (their seed is printed); the checker judges each walk when it has settled.
"""

import os
import random
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.chaos.client import Client, body, new_ref
from tests.chaos.cluster import Cluster
from tests.chaos.story import judge, settle


class Walk(RuleBasedStateMachine):
    """One walk; `cluster` and `client` are set by the test."""

    cluster: Cluster
    client: Client
    tasks: Bundle[str] = Bundle("tasks")

    def _submit(self, kind: str, task_type: str, end: str = "succeeded", **more: Any) -> Any:
        answer = self.client.submit(kind, body(task_type, new_ref(), **more), end=end)
        assert answer.answer == "accepted"
        return answer.task_id

    @rule(target=tasks, delay=st.sampled_from([0, 0, 0.5, 2]))
    def submit_quick(self, delay: float) -> Any:
        return self._submit("quick", "chaos_quick", delay=delay)

    @rule(target=tasks, seconds=st.sampled_from([0.2, 1, 3]))
    def submit_work(self, seconds: float) -> Any:
        return self._submit("work", "chaos_work", parameters={"seconds": seconds})

    @rule(target=tasks, politely=st.booleans())
    def submit_failing(self, politely: bool) -> Any:
        parameters = {"fail_times": 1, "politely": politely}
        return self._submit("failing", "chaos_failing", parameters=parameters)

    @rule(target=tasks)
    def submit_what_fails_for_good(self) -> Any:
        return self._submit("failing", "chaos_failing", "failed", parameters={"fail_times": 1}, max_retries=0)

    @rule(task=tasks)
    def cancel(self, task: str) -> None:
        self.client.cancel(task)

    @rule(target=tasks, task=consumes(tasks))
    def retry(self, task: str) -> Any:
        self.client.retry(task)
        return multiple(task)

    @rule(task=tasks)
    def look(self, task: str) -> None:
        assert self.client.look(task) is not None

    @rule(which=st.sampled_from(["worker-1", "worker-2"]))
    def kill_a_worker(self, which: str) -> None:
        pid = self.cluster.programs[which].pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def teardown(self) -> None:
        settle(self.cluster, 45)
        assert judge(self.cluster)[1].broken() == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, webs=1, workers=2) as made:
        yield made


@pytest.mark.storm
@pytest.mark.timeout(240)
def test_no_walk_breaks_a_promise(cluster: Cluster) -> None:
    number = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
    print(f"CHAOS_SEED={number}")
    Walk.cluster, Walk.client = cluster, Client(cluster.addresses, cluster.ledger, random.Random(number))
    few = settings(
        max_examples=3, stateful_step_count=20, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(Walk), settings=few)
