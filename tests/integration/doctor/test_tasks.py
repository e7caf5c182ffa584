"""What the doctor sees of Callboard's own processes and of the tasks."""

from typing import Any

import pika
import pytest

from callboard.broker.topology import Topology
from callboard.doctor import records
from callboard.doctor.finding import Verdict
from callboard.store import calls, queues
from callboard.tasks.states import State
from tests.integration.doctor.patient import Patient, ill, one
from tests.patience import PATIENCE_S, wait_until


def test_a_missing_worker_is_named_and_so_is_a_queue_that_nobody_serves(healthy: Patient) -> None:
    healthy.processes["worker"].stop(PATIENCE_S)
    try:
        assert one(healthy.examine(), "workers").verdict is Verdict.FAIL
        healthy.store.run(
            calls.beat(healthy.keys, "other:1", {"pid": 1, "queues": "default,email", "threads": 1}, [])
        )
        found = one(healthy.examine(), "queues")
        assert found.verdict is Verdict.FAIL
        assert "data, files" in found.detail
    finally:
        healthy.store.run(calls.gone(healthy.keys, "other:1"))
        healthy.start("worker")
        healthy.wait_healthy()


def test_a_missing_scheduler_is_named(healthy: Patient) -> None:
    healthy.processes["scheduler"].stop(PATIENCE_S)
    found = one(healthy.examine(), "scheduler")
    assert (found.verdict, "callboard scheduler" in found.advice) == (Verdict.FAIL, True)
    healthy.start("scheduler")
    healthy.wait_healthy()


def test_a_paused_queue_is_no_fault_however_long_its_tasks_wait(healthy: Patient) -> None:
    """Its workers take nothing from RabbitMQ, while their threads are idle."""
    healthy.store.run(queues.pause(healthy.keys, "email"))
    with pika.BlockingConnection(pika.URLParameters(healthy.settings.broker_url)) as connection:
        name = Topology(healthy.settings.namespace).work_queue("email")
        wait_until(
            lambda: connection.channel().queue_declare(name, passive=True).method.consumer_count == 0,
            what="no worker takes from it",
        )
    found = healthy.examine()
    assert ill(found) == []
    assert one(found, "queues").detail.endswith("but paused: email")
    healthy.store.run(queues.resume(healthy.keys, "email"))
    healthy.wait_healthy()


def test_messages_and_delays_that_no_web_process_looks_after_are_named(healthy: Patient) -> None:
    web = healthy.processes["web"]
    web.stop(PATIENCE_S)
    now_ms = healthy.bench.now_ms()
    try:
        for age_s, verdict in ((5, Verdict.OK), (30, Verdict.WARN), (90, Verdict.FAIL)):
            for name in ("outbox", "due"):
                healthy.client.zadd(healthy.keys.prefix + name, {"a-task": now_ms - age_s * 1000})
            found = healthy.examine()
            assert one(found, "outbox").verdict is verdict
            assert one(found, "delays").verdict is verdict
    finally:
        for name in ("outbox", "due"):
            healthy.client.delete(healthy.keys.prefix + name)
        healthy.start("web")
        healthy.wait_healthy()


def age(patient: Patient, task_id: str) -> None:
    """Let a task's newest event be two minutes older."""
    key = patient.keys.task(task_id)
    version: Any = patient.client.hget(key, "version")
    event: Any = patient.client.hget(key, f"e:{int(version)}")
    kind, at, rest = event.decode().split("|", 2)
    patient.client.hset(key, f"e:{int(version)}", f"{kind}|{int(at) - 120_000}|{rest}")


async def test_a_queued_task_whose_message_is_lost_is_named(healthy: Patient) -> None:
    task = await healthy.bench.create()
    healthy.store.run(calls.settle(healthy.keys, [(task.task_id, task.version)]))
    assert one(healthy.examine(), "queued tasks").verdict is Verdict.OK
    age(healthy, task.task_id)
    found = one(healthy.examine(), "queued tasks")
    assert found.verdict is Verdict.FAIL
    assert task.task_id in found.detail
    healthy.store.run(calls.cancel(healthy.keys, task.task_id, 3600))


async def test_a_run_whose_worker_is_lost_for_long_is_named(healthy: Patient) -> None:
    task, run = await healthy.bench.running()
    assert one(healthy.examine(), "running tasks").verdict is Verdict.OK
    healthy.bench.lapse(task)
    assert one(healthy.examine(), "running tasks").verdict is Verdict.OK
    healthy.bench.lapse(task, healthy.bench.now_ms() - 120_000)
    found = one(healthy.examine(), "running tasks")
    assert (found.verdict, task.task_id in found.detail) == (Verdict.FAIL, True)
    await healthy.bench.conclude(task, run, State.CANCELLED)


async def test_records_that_are_gone_too_early_are_named(healthy: Patient) -> None:
    task = await healthy.bench.create()
    healthy.client.delete(healthy.keys.task(task.task_id))
    found = one(healthy.examine(), "indexes")
    assert (found.verdict, task.task_id in found.detail) == (Verdict.FAIL, True)
    for name in healthy.bench.holding(task):
        healthy.client.zrem(healthy.keys.prefix + name, task.task_id)


async def test_an_index_that_disagrees_with_its_record_is_named(healthy: Patient) -> None:
    task = await healthy.bench.in_state(State.FAILED)
    healthy.client.hset(healthy.keys.task(task.task_id), "status", "succeeded")
    found = one(healthy.examine(), "indexes")
    assert (found.verdict, task.task_id in found.detail) == (Verdict.FAIL, True)
    healthy.client.hset(healthy.keys.task(task.task_id), "status", "failed")


async def test_tasks_of_types_nobody_knows_are_named(healthy: Patient) -> None:
    task = await healthy.bench.in_state(State.FAILED, task_type="forgotten_type")
    assert "forgotten_type" in one(healthy.examine(), "task types").detail
    healthy.store.run(calls.forget(healthy.keys, task.task_id))
    healthy.client.srem(f"{healthy.keys.prefix}types", "forgotten_type")


async def test_however_many_tasks_there_are_only_the_oldest_are_looked_at(
    healthy: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LOOK_AT_MOST", 1)
    first, second = [await healthy.bench.in_state(State.FAILED, task_type="sentiment") for _ in range(2)]
    healthy.client.hset(healthy.keys.task(second.task_id), "status", "succeeded")
    assert one(healthy.examine(), "indexes").verdict is Verdict.OK
    healthy.client.hset(healthy.keys.task(second.task_id), "status", "failed")
    assert first.task_id < second.task_id
