"""RabbitMQ is killed and comes back: work goes on within a second, whatever ran at that moment."""

import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos import ledger
from tests.chaos.client import Client, body, new_ref
from tests.chaos.cluster import Cluster
from tests.chaos.ledger import Step
from tests.patience import wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One worker with two threads."""
    with Cluster(tmp_path, webs=1, workers=1, threads=2) as made:
        yield made


#: Seconds of the shorter of the pauses there were.
PAUSE_S = 3.0
#: Restarts of which two have to be over sooner.
TRIES = 6


def started(cluster: Cluster, refs: set[str]) -> list[float]:
    """Return when the tasks of these names were started."""
    steps = ledger.of(ledger.read(cluster.folder / "sink/steps.jsonl"), Step)
    return [step.at for step in steps if step.ref in refs and step.event == "start"]


def test_waiting_tasks_run_at_once_after_its_return(cluster: Cluster) -> None:
    """Consumers waited 3 s, and every thread whose ack was refused slept for 5 s.

    With such a pause no restart is over sooner; without it some are, however busy the machine is.
    """
    client = Client(cluster.addresses, cluster.ledger, random.Random(1))
    sooner = (late_after_a_restart(cluster, client) < PAUSE_S for _ in range(TRIES))
    assert len(list(islice(filter(None, sooner), 2))) == 2


def late_after_a_restart(cluster: Cluster, client: Client) -> float:
    """Kill RabbitMQ while tasks run and wait; return how long after its return the last has started."""
    cluster.wait_ready()
    running = {
        client.submit("running", body("chaos_work", new_ref(), parameters={"seconds": 1.0})).ref
        for _ in range(2)
    }
    waiting = {client.submit("waiting", body("chaos_quick", new_ref(), delay=1.5)).ref for _ in range(10)}
    wait_until(lambda: len(started(cluster, running)) == 2, what="both run")
    cluster.rabbitmq.kill()
    cluster.rabbitmq.start()
    cluster.rabbitmq.wait_ready()
    back_at = time.time()
    wait_until(lambda: len(started(cluster, waiting)) >= 10, what="all have started")
    return max(started(cluster, waiting)) - back_at
