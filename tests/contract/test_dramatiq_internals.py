"""What Callboard leans on inside dramatiq: signatures and attributes (behaviour: test_dramatiq_loop.py).

When one of these fails after an upgrade, read the code named in its message before you change the pin
in pyproject.toml.
"""

import dataclasses
import inspect
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import dramatiq
import pytest
from dramatiq import message as dramatiq_message
from dramatiq import threading as dramatiq_threading
from dramatiq import worker as dramatiq_worker
from dramatiq.broker import Broker
from dramatiq.brokers import rabbitmq as dramatiq_rabbitmq
from dramatiq.errors import BrokerConnectionError, ConnectionClosed, DecodeError, Retry
from dramatiq.results import backend as results_backend

from callboard.encoding import MsgspecEncoder
from callboard.worker.insist import Ended


def names_of(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def source_of(thing: Any) -> str:
    """Return how it is written."""
    return inspect.getsource(thing)


def test_it_is_the_version_these_tests_were_written_for() -> None:
    assert version("dramatiq") == "2.2.1", "pinned because of all that stands in this file"


# -- the broker: broker/rabbitmq.py, broker/embedded.py


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (Broker.enqueue, ["self", "message", "delay"]),
        (Broker.consume, ["self", "queue_name", "prefetch", "timeout"]),
        (Broker.emit_before, ["self", "signal", "args", "kwargs"]),
        (Broker.emit_after, ["self", "signal", "args", "kwargs"]),
        (
            dramatiq_rabbitmq.RabbitmqBroker.__init__,
            ["self", "confirm_delivery", "url", "middleware", "max_priority", "parameters", "kwargs"],
        ),
        (dramatiq_rabbitmq.RabbitmqBroker.declare_queue, ["self", "queue_name", "ensure"]),
        (
            dramatiq_rabbitmq._RabbitmqConsumer.__init__,
            ["self", "broker", "queue_name", "prefetch", "timeout"],
        ),
        (dramatiq_rabbitmq._RabbitmqMessage.__init__, ["self", "redelivered", "tag", "message"]),
        (dramatiq_worker.Worker.__init__, ["self", "broker", "queues", "worker_timeout", "worker_threads"]),
        (dramatiq_worker.Worker._add_consumer, ["self", "queue_name", "delay"]),
        (dramatiq_worker.Worker._add_worker, ["self"]),
        (dramatiq_worker.Worker.stop, ["self", "timeout"]),
        (
            dramatiq_worker.ConsumerThread.__init__,
            ["self", "broker", "queue_name", "prefetch", "work_queue", "worker_timeout"],
        ),
        (dramatiq_worker.ConsumerThread.handle_message, ["self", "message"]),
        (dramatiq_worker.ConsumerThread.post_process_message, ["self", "message"]),
        (dramatiq_threading.raise_thread_exception, ["thread_id", "exception"]),
        (results_backend.ResultBackend._get, ["self", "message_key"]),
        (results_backend.ResultBackend._store, ["self", "message_key", "result", "ttl"]),
        (results_backend.ResultBackend.build_message_key, ["self", "message"]),
        (results_backend.ResultBackend.unwrap_result, ["self", "res"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_signature_we_call_or_override_is_as_it_was(function: Callable[..., Any], names: list[str]) -> None:
    assert names_of(function) == names


def test_a_rabbitmq_broker_has_the_attributes_we_use() -> None:
    broker = dramatiq_rabbitmq.RabbitmqBroker(confirm_delivery=True, middleware=[], max_priority=2)
    assert broker.queues == set()
    assert broker.queues_pending == set(), "WorkerBroker notes there what has to be declared (again)"
    assert isinstance(broker.state, threading.local), "connections are one per thread"
    assert isinstance(inspect.getattr_static(broker, "consumer_class"), property)
    for name in ("connection", "channel"):
        found = inspect.getattr_static(dramatiq_rabbitmq.RabbitmqBroker, name)
        assert found.fget, f"{name} connects when it is read"
        assert found.fdel, f"`del broker.{name}` is how a broken one is replaced"


def test_consume_declares_the_queue_and_makes_the_consumer_class() -> None:
    text = source_of(dramatiq_rabbitmq.RabbitmqBroker.consume)
    assert "self.declare_queue(queue_name, ensure=True)" in text
    assert "self.consumer_class(self, queue_name, prefetch, timeout)" in text


def test_a_rabbitmq_consumer_has_the_attributes_we_use() -> None:
    text = source_of(dramatiq_rabbitmq._RabbitmqConsumer.__init__)
    for name in ("broker", "queue_name", "connection", "channel", "iterator", "known_tags"):
        assert f"self.{name} = " in text, f"SafeConsumer uses `{name}`"
    assert "add_callback_threadsafe" in source_of(dramatiq_rabbitmq._RabbitmqConsumer.close), (
        "acks that wait are sent before the connection closes"
    )


def test_a_rabbitmq_message_carries_its_delivery_tag() -> None:
    made: Any = dramatiq_rabbitmq._RabbitmqMessage(False, 7, dramatiq.Message("default", "any", (), {}, {}))
    assert made._tag == 7
    assert made._message.actor_name == "any"
    made.consumer = "ours"  # SafeConsumer stamps it


def test_errors_are_related_as_we_catch_them() -> None:
    assert issubclass(ConnectionClosed, BrokerConnectionError)
    assert ConnectionClosed("why").message == "why"
    assert issubclass(Ended, Retry)
    with pytest.raises(DecodeError):
        dramatiq.Message.decode(b"\x00")


def test_a_message_is_made_of_the_fields_we_write() -> None:
    fields = [each.name for each in dataclasses.fields(dramatiq.Message)]
    assert fields == [
        "queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp",
    ], "tasks/message.py writes the same JSON"  # fmt: skip
    made: dramatiq.Message[Any] = dramatiq.Message("default", "any", (), {}, {"a": 1, "b": 2})
    assert made.copy(options={"b": 3}).options == {"a": 1, "b": 3}


def test_an_encoder_may_be_set_for_all_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dramatiq.Message("default", "any", (), {"é": 1.5}, {}).encode()
    monkeypatch.setattr(dramatiq_message, "global_encoder", MsgspecEncoder())
    assert dramatiq.Message.decode(before).kwargs == {"é": 1.5}
