"""What the doctor sees of Redis and RabbitMQ."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
import redis

from callboard.broker.topology import Queue, Topology
from callboard.doctor.finding import Verdict
from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from tests.integration.doctor.patient import Patient, command, ill, one


@contextmanager
def configured(client: redis.Redis, name: str, value: str) -> Iterator[None]:
    before: Any = client.config_get(name)
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, before[name])


def test_without_append_only_file_a_crash_would_lose_records(healthy: Patient) -> None:
    with configured(healthy.client, "appendonly", "no"):
        found = one(healthy.examine(), "Redis persistence")
        assert found.verdict is Verdict.FAIL
        assert "CONFIG SET appendonly yes" in found.advice
        assert command(healthy)[0] == 1


def test_a_redis_that_evicts_is_named(healthy: Patient) -> None:
    with configured(healthy.client, "maxmemory-policy", "allkeys-lru"):
        found = one(healthy.examine(), "Redis eviction")
    assert found.verdict is Verdict.FAIL
    assert "allkeys-lru" in found.detail


@pytest.mark.parametrize(("share", "verdict"), [(1.2, Verdict.WARN), (1.02, Verdict.FAIL), (3.0, Verdict.OK)])
def test_a_redis_that_is_nearly_full_is_named(healthy: Patient, share: float, verdict: Verdict) -> None:
    used: Any = healthy.client.info("memory")
    with configured(healthy.client, "maxmemory", str(int(used["used_memory"] * share))):
        assert one(healthy.examine(), "Redis memory").verdict is verdict


def test_servers_that_are_not_there_are_told_from_one_another(healthy: Patient) -> None:
    (port,) = free_ports(1)
    found = healthy.examine(redis_url=f"redis://:hush-hush@127.0.0.1:{port}/0")
    assert [each.check for each in ill(found)] == ["Redis", "tasks"]
    found = healthy.examine(broker_url=f"amqp://ann:hush-hush@127.0.0.1:{port}/")
    assert [(each.check, each.verdict) for each in ill(found)] == [("RabbitMQ", Verdict.FAIL)]
    found = healthy.examine(broker_url=f"{healthy.settings.broker_url};amqp://127.0.0.1:{port}/")
    assert [each.check for each in ill(found)] == ["RabbitMQ"]
    assert one(found, "delay ladder").verdict is Verdict.OK
    wrong = healthy.settings.broker_url.replace("amqp://callboard:", "amqp://callboard:not-the-")
    assert "ACCESS_REFUSED" in one(healthy.examine(broker_url=wrong), "RabbitMQ").detail


def test_an_alarm_is_named(healthy: Patient, own_rabbitmq: RabbitNode) -> None:
    own_rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        found = one(healthy.examine(), "RabbitMQ alarms")
    finally:
        own_rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
        healthy.wait_healthy()
    assert found.verdict is Verdict.FAIL
    assert "rabbitmqctl status" in found.advice


@contextmanager
def other_topology(patient: Patient) -> Iterator[tuple[Topology, Any]]:
    """A namespace in which nothing is declared, and a channel of another program."""
    topology = Topology(f"t{secrets.token_hex(6)}")
    with pika.BlockingConnection(pika.URLParameters(patient.settings.broker_url)) as connection:
        yield topology, connection.channel()
        for each in topology.declarations(["default"]):
            if isinstance(each, Queue):
                connection.channel().queue_delete(each.name)


def test_a_queue_with_other_arguments_is_explained(healthy: Patient) -> None:
    with other_topology(healthy) as (topology, channel):
        name = topology.work_queue("default")
        channel.queue_declare(name, durable=True, arguments={"x-max-priority": 9})
        found = healthy.examine(namespace=topology.namespace)
        wrong = one(found, f"queue {name}")
        assert (wrong.verdict, "CALLBOARD_NAMESPACE" in wrong.advice) == (Verdict.FAIL, True)
        assert "x-" in wrong.advice
        assert one(found, "delay ladder").verdict is Verdict.FAIL


def test_nothing_is_declared_by_looking(healthy: Patient, own_rabbitmq: RabbitNode) -> None:
    namespace = f"t{secrets.token_hex(6)}"
    found = healthy.examine(namespace=namespace)
    assert {each.check for each in ill(found)} == {"RabbitMQ queues", "delay ladder", "workers", "scheduler"}
    assert namespace not in own_rabbitmq.ctl("list_queues", "-p", "callboard", "name")
    assert not list(healthy.client.scan_iter(match=f"{namespace}*"))
