"""Checks RabbitMQ over AMQP alone: reachable, alarms, queues and their arguments, the delay ladder."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pika
import pika.exceptions

from callboard.broker.amqp import connection_parameters, reason
from callboard.broker.topology import LEVELS, Binding, Exchange, Queue, Topology, conflict_advice
from callboard.doctor.finding import Finding, fail, ok, warn

_OLDEST: Final = (3, 10)
#: Seconds until RabbitMQ has said that it takes no messages.
_BLOCKED_S: Final = 2
#: RabbitMQ's own consumer_timeout in seconds.
_CONSUMER_TIMEOUT_S: Final = 1800
_SETTING: Final = re.compile(r"consumer_timeout\s*=\s*(\d+)")
#: AMQP's reply for what does not exist.
_NOT_THERE: Final = 404

_START_ONE: Final = "start `callboard web` or a worker, which declare what is missing"


@dataclass(slots=True)
class Depths:
    """What RabbitMQ said of the task queues by name: messages ready, and consumers."""

    ready: dict[str, int] = field(default_factory=dict)
    consumers: dict[str, int] = field(default_factory=dict)


def check(
    url: str,
    topology: Topology,
    queues: Sequence[str],
    longest: tuple[str, float],
    depths: Depths,
    conf: Path | None = None,
) -> Iterator[Finding]:
    """Look at the server.

    Args:
        url: CALLBOARD_BROKER_URL.
        topology: what should be declared.
        queues: the task queues' names.
        longest: the task type with the longest time limit, and that in seconds.
        depths: filled in with what the queues hold.
        conf: its rabbitmq.conf, where that can be read.
    """
    connection: Any = None
    for parameters in connection_parameters(url):
        parameters.blocked_connection_timeout = _BLOCKED_S
        where = f"{parameters.host}:{parameters.port}/{parameters.virtual_host.strip('/')}".rstrip("/")
        try:
            found = pika.BlockingConnection(parameters)
        except (OSError, pika.exceptions.AMQPError) as error:
            yield unreachable(f"{where}: {reason(error)}")
            continue
        yield _version(found, where)
        if connection is None:
            connection = found
        else:
            found.close()
    if connection is None:
        return
    with contextlib.suppress(pika.exceptions.AMQPError):
        yield _alarms(connection)
    yield _consumer_timeout(longest, conf)
    if not connection.is_open:  # an alarm has ended it
        return
    yield from _declared(connection, topology, queues, depths)
    with contextlib.suppress(pika.exceptions.AMQPError):
        connection.close()


def _version(connection: Any, where: str) -> Finding:
    properties = connection._impl.server_properties  # the blocking connection has no name for it
    version = str(properties.get("version", "0.0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        return fail("RabbitMQ", f"{version} at {where} is too old", "upgrade it to 3.10 or later")
    return ok("RabbitMQ", f"{properties.get('product', 'RabbitMQ')} {version} at {where}")


def unreachable(detail: str) -> Finding:
    """Return that RabbitMQ does not serve us; also for `GET /api/health` (health/judge.py)."""
    return fail("RabbitMQ", detail, "start RabbitMQ, or correct CALLBOARD_BROKER_URL")


def blocked() -> Finding:
    """Return that RabbitMQ has an alarm; also for `GET /api/health`."""
    return fail(
        "RabbitMQ alarms",
        "RabbitMQ accepts no messages, and submits are refused with 503",
        "`rabbitmqctl status` names the alarm: free disk space or memory, or raise "
        "disk_free_limit or vm_memory_high_watermark",
    )


def _alarms(connection: Any) -> Finding:
    """Publish one message that no queue takes: under an alarm RabbitMQ does not confirm it."""
    name = "RabbitMQ alarms"
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", "callboard.doctor", b"")
        channel.close()
    except pika.exceptions.ConnectionBlockedTimeout:
        return blocked()
    except pika.exceptions.AMQPError as error:
        return fail(name, f"a message could not be published: {reason(error)}", "see RabbitMQ's log")
    return ok(name, "none: it accepts messages")


def _consumer_timeout(longest: tuple[str, float], conf: Path | None) -> Finding:
    """RabbitMQ cuts the connection of a worker whose task takes longer than that."""
    name = "RabbitMQ consumer_timeout"
    task_type, limit_s = longest
    takes = f"a {task_type} may take {limit_s:g} s"
    advice = f"set consumer_timeout in rabbitmq.conf above {limit_s * 1000:.0f} (ms) and restart RabbitMQ"
    if conf is None:
        unseen = f"not visible over AMQP, {_CONSUMER_TIMEOUT_S} s by default; {takes}"
        if limit_s < _CONSUMER_TIMEOUT_S:
            return ok(name, unseen)
        return warn(name, unseen, f"{advice}; --rabbitmq-conf FILE lets me see it")
    try:
        lines = conf.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        return warn(name, f"{conf} cannot be read: {error}", "name RabbitMQ's own rabbitmq.conf")
    found = [_SETTING.fullmatch(line.partition("#")[0].strip()) for line in lines]
    timeout_s = next((int(each[1]) / 1000 for each in reversed(found) if each), float(_CONSUMER_TIMEOUT_S))
    detail = f"{timeout_s:g} s; {takes}"
    return ok(name, detail) if limit_s < timeout_s else fail(name, detail, advice)


def _declared(
    connection: Any, topology: Topology, queues: Sequence[str], depths: Depths
) -> Iterator[Finding]:
    ladder = {each.name for each in topology.declarations([]) if isinstance(each, Queue | Exchange)}
    names = {topology.work_queue(name): name for name in queues}
    desk = _Desk(connection)
    missing: list[str] = []
    wrong = 0
    for each in topology.declarations(queues):
        if isinstance(each, Binding):
            continue
        problem = desk.exchange(each) if isinstance(each, Exchange) else desk.queue(each, names, depths)
        if problem is None:
            continue
        code, text = problem
        if code == _NOT_THERE:
            missing.append(each.name)
        else:
            wrong += 1
            yield fail(f"queue {each.name}", f"cannot be used ({code})", conflict_advice(text))
    gone = [name for name in missing if name not in ladder]
    if gone:
        yield fail("RabbitMQ queues", f"not there: {', '.join(gone[:8])}", _START_ONE)
    elif not wrong:
        yield ok("RabbitMQ queues", f"{', '.join(queues)} and their dead letters have the right arguments")
    if steps := [name for name in missing if name in ladder]:
        yield fail(
            "delay ladder",
            f"{len(steps)} of its parts are not there, such as {steps[0]}: delays and retries cannot be sent",
            _START_ONE,
        )
    else:
        yield ok("delay ladder", f"its {LEVELS} steps are there")


class _Desk:
    """Asks on one channel after the other: RabbitMQ closes a channel for every answer that is no."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel: Any = None

    def exchange(self, exchange: Exchange) -> tuple[int, str] | None:
        """Return why an exchange cannot be used, or None."""
        return self._ask(lambda channel: channel.exchange_declare(exchange.name, passive=True))

    def queue(self, queue: Queue, names: Mapping[str, str], depths: Depths) -> tuple[int, str] | None:
        """Return why a queue cannot be used, or None, and note the depth of a task queue.

        One that is there is declared as ours: RabbitMQ refuses when its arguments are others (406).
        """

        def ask(channel: Any) -> None:
            there = channel.queue_declare(queue.name, passive=True).method
            if name := names.get(queue.name):
                depths.ready[name], depths.consumers[name] = there.message_count, there.consumer_count
            channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)

        return self._ask(ask)

    def _ask(self, question: Callable[[Any], object]) -> tuple[int, str] | None:
        try:
            if self._channel is None:
                self._channel = self._connection.channel()
            question(self._channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            self._channel = None
            return error.reply_code, error.reply_text
        return None
