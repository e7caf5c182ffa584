"""A server comes back empty: what RabbitMQ forgot is sent again from the records, and the other way round."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from callboard.broker.topology import Queue, Topology
from tests.chaos import ledger
from tests.chaos.checker import Record
from tests.chaos.client import Client, body, new_ref
from tests.chaos.cluster import Cluster
from tests.chaos.ledger import Asked, Step
from tests.chaos.story import records_of
from tests.patience import wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One web process and one worker with two threads."""
    with Cluster(tmp_path, webs=1, workers=1, threads=2) as made:
        yield made


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return Client(cluster.addresses, cluster.ledger, random.Random(1))


def started(cluster: Cluster, ref: str) -> int:
    """Return how often the task of that name was started."""
    steps = ledger.of(ledger.read(cluster.folder / "sink/steps.jsonl"), Step)
    return sum(step.ref == ref and step.event == "start" for step in steps)


def ended(cluster: Cluster, asked: list[Asked]) -> dict[str, Record]:
    """Wait until all have succeeded; return their records."""
    ids = [each.task_id or "" for each in asked]

    def all_ended() -> bool:
        found = records_of(cluster, ids)
        return len(found) == len(ids) and all(each.status == "succeeded" for each in found.values())

    try:
        wait_until(all_ended, what="all have succeeded")
    except Exception:
        found = records_of(cluster, ids)
        for each in asked:
            print(each.kind, found.get(each.task_id or ""), "started", started(cluster, each.ref))
        raise
    return records_of(cluster, ids)


def one_of_each(cluster: Cluster, client: Client) -> list[Asked]:
    """Have two tasks running, one waiting for its retry, one for its time and some for a thread."""
    failing = client.submit("retrying", body("chaos_failing", new_ref(), parameters={"fail_times": 2}))
    wait_until(lambda: client.look(failing.task_id or "") == "retrying", what="it failed once")
    running = [
        client.submit("running", body("chaos_work", new_ref(), parameters={"seconds": 6})) for _ in range(2)
    ]
    wait_until(lambda: all(started(cluster, each.ref) for each in running), what="both run")
    delayed = client.submit("scheduled", body("chaos_quick", new_ref(), delay=4))
    queued = [client.submit("queued", body("chaos_quick", new_ref())) for _ in range(3)]
    asked = [failing, *running, delayed, *queued]
    assert {each.answer for each in asked} == {"accepted"}
    return asked


def test_all_messages_of_a_rabbitmq_that_lost_its_data_are_sent_again(
    cluster: Cluster, client: Client
) -> None:
    asked = one_of_each(cluster, client)
    cluster.rabbitmq.kill()
    shutil.rmtree(cluster.rabbitmq.folder / "data")
    cluster.rabbitmq.start()
    cluster.rabbitmq.wait_ready()
    ended(cluster, asked)
    assert {each.kind: started(cluster, each.ref) for each in asked} == {
        "retrying": 3, "running": 1, "scheduled": 1, "queued": 1,
    }  # fmt: skip


def test_delayed_tasks_that_rabbitmq_does_not_hand_out_run_all_the_same(
    cluster: Cluster, client: Client
) -> None:
    """A step of the ladder may stand still after a restart; here its messages are gone altogether."""
    asked = [client.submit("scheduled", body("chaos_quick", new_ref(), delay=2)) for _ in range(20)]
    with pika.BlockingConnection(pika.URLParameters(cluster.rabbitmq.url)) as connection:
        channel = connection.channel()
        for each in Topology().declarations([]):
            if isinstance(each, Queue) and "x-message-ttl" in each.arguments:
                channel.queue_purge(each.name)
    ended(cluster, asked)
    assert {started(cluster, each.ref) for each in asked} == {1}


def test_a_running_task_whose_message_was_lost_is_started_again_when_its_worker_dies_too(
    cluster: Cluster, client: Client
) -> None:
    running = client.submit("running", body("chaos_work", new_ref(), parameters={"seconds": 4}))
    wait_until(lambda: started(cluster, running.ref) == 1, what="it runs")
    cluster.rabbitmq.kill()
    cluster.programs["worker-1"].process.kill()
    shutil.rmtree(cluster.rabbitmq.folder / "data")
    cluster.rabbitmq.start()
    cluster.rabbitmq.wait_ready()
    ended(cluster, [running])
    assert started(cluster, running.ref) == 2


def test_records_of_a_redis_that_lost_its_data_are_rebuilt_from_their_messages(
    cluster: Cluster, client: Client
) -> None:
    asked = one_of_each(cluster, client)
    with cluster.records() as redis:
        redis.flushall()
    found = ended(cluster, asked)
    assert {each.kind: started(cluster, each.ref) for each in asked} == {
        "retrying": 3, "running": 1, "scheduled": 1, "queued": 1,
    }  # fmt: skip
    assert all(found[each.task_id or ""].token for each in asked)


def test_records_whose_end_was_lost_are_found_and_run_again(cluster: Cluster, client: Client) -> None:
    """What the last second before a power cut looks like: RabbitMQ has the ack, Redis not the end."""
    asked = client.submit("quick", body("chaos_quick", new_ref()))
    ended(cluster, [asked])
    with cluster.records() as redis:
        key = f"task:{asked.task_id}"
        redis.hset(key, mapping={"status": "running", "lease_ms": 1, "claim": "gone"})
        redis.hdel(key, "result", "finished_at", "concluded")
        redis.persist(key)
        index = "idx:chaos_quick:normal:"
        redis.zrem(index + "succeeded", asked.task_id or "")
        redis.zadd(index + "running", {asked.task_id or "": 0})
    ended(cluster, [asked])
    assert started(cluster, asked.ref) == 2
