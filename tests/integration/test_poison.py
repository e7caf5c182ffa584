"""A task that kills its process takes nobody with it: three starts, and its neighbours all complete."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.store.keys import keys_for
from tests.chaos import ledger
from tests.chaos.client import Client, body, new_ref
from tests.chaos.cluster import Cluster
from tests.chaos.ledger import Asked, Step
from tests.chaos.story import records_of
from tests.patience import stand_still, wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A single worker, so that all share its fate."""
    with Cluster(tmp_path, webs=1, workers=1, threads=8) as made:
        yield made


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return Client(cluster.addresses, cluster.ledger, random.Random(1))


def starts(cluster: Cluster, asked: Asked) -> int:
    """Return how often a task was started."""
    steps = ledger.of(ledger.read(cluster.folder / "sink/steps.jsonl"), Step)
    return sum(step.ref == asked.ref and step.event == "start" for step in steps)


def test_innocents_that_share_its_worker_all_complete(cluster: Cluster, client: Client) -> None:
    innocents = [
        client.submit("innocent", body("chaos_work", new_ref(), parameters={"seconds": 1.5}))
        for _ in range(5)
    ]
    innocents += [
        client.submit("innocent", body("chaos_async", new_ref(), parameters={"seconds": 1.5}))
        for _ in range(2)
    ]
    wait_until(lambda: all(starts(cluster, each) for each in innocents), what="all innocents run")
    poison = client.submit("poison", body("chaos_poison", new_ref()))
    ids = [each.task_id or "" for each in (*innocents, poison)]

    def all_ended() -> bool:
        found = records_of(cluster, ids)
        return all(found[each].status in ("succeeded", "failed") for each in ids)

    wait_until(all_ended, what="all have ended")
    found = records_of(cluster, ids)
    assert {found[each.task_id or ""].status for each in innocents} == {"succeeded"}
    assert all(found[each.task_id or ""].token for each in innocents)
    assert "WorkerLost" in found[poison.task_id or ""].error
    assert starts(cluster, poison) == 3


def test_a_task_that_runs_apart_can_be_cancelled(cluster: Cluster, client: Client) -> None:
    task = client.submit("long", body("chaos_work", new_ref(), parameters={"seconds": 60}))
    for number in (1, 2):
        wait_until(lambda: starts(cluster, task) == number, what=f"start {number}")  # noqa: B023
        cluster.programs["worker-1"].process.kill()
    wait_until(lambda: starts(cluster, task) == 3, what="start 3")
    assert client.cancel(task.task_id or "") == "asked"
    wait_until(lambda: client.look(task.task_id or "") == "cancelled", what="it is cancelled")


@pytest.mark.parametrize("fate", ["stopped", "drained"])
def test_what_killed_its_own_process_is_known_even_when_its_worker_cannot_say_so(
    cluster: Cluster, client: Client, fate: str
) -> None:
    """Its worker hangs and dies, or has to end, before it can send the dead letter."""
    first = cluster.programs["worker-1"].pid
    task = client.submit("poison", body("chaos_poison", new_ref(), parameters={"seconds": 0.6}))
    key = keys_for("").task(task.task_id or "")
    wait_until(lambda: starts(cluster, task) == 1, what="start 1")
    wait_until(lambda: cluster.programs["worker-1"].pid != first, what="it has killed its worker")
    cluster.records().hset(key, mapping={"starts": 2, "lease_ms": 1})  # as if it had killed two, long ago
    wait_until(lambda: starts(cluster, task) == 2, what="it is started apart")
    worker = cluster.programs["worker-1"].pid
    assert worker is not None
    cluster.do("hole", "worker-rabbitmq")
    if fate == "stopped":
        stand_still(worker)
    key = keys_for("").task(task.task_id or "")
    wait_until(lambda: cluster.records().hget(key, "poison"), what="its record says what it did")
    os.kill(worker, signal.SIGTERM if fate == "drained" else signal.SIGKILL)
    wait_until(lambda: cluster.programs["worker-1"].pid != worker, what="the worker is gone")
    cluster.do("heal", "worker-rabbitmq")
    wait_until(lambda: client.look(task.task_id or "") == "failed", what="it has failed")
    assert starts(cluster, task) == 2
    assert "lost 3 times" in records_of(cluster, [task.task_id or ""])[task.task_id or ""].error


def test_what_runs_apart_ends_with_its_worker_and_is_not_blamed_for_it(
    cluster: Cluster, client: Client
) -> None:
    task = client.submit("long", body("chaos_work", new_ref(), parameters={"seconds": 3}))
    for number in (1, 2, 3):
        wait_until(lambda: starts(cluster, task) == number, what=f"start {number}")  # noqa: B023
        cluster.programs["worker-1"].process.kill()
    wait_until(lambda: client.look(task.task_id or "") == "succeeded", what="it has succeeded")
    steps = ledger.of(ledger.read(cluster.folder / "sink/steps.jsonl"), Step)
    assert [step.event for step in steps if step.ref == task.ref] == ["start"] * 4 + ["effect", "end"]
