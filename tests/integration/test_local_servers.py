"""The real servers: private, on loopback, and with their data after a kill -9."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pika
import psutil
import pytest
import redis

from callboard.local.process import LocalServerError
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.patience import PATIENCE_S
from tests.servers import running_rabbitmq, running_redis


def _family(pids: Iterable[int]) -> list[psutil.Process]:
    found = [psutil.Process(pid) for pid in pids]
    return found + [child for process in found for child in process.children(recursive=True)]


def _listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # both have children that soon end
            found |= {
                (connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


def test_every_listening_socket_is_on_loopback(rabbitmq: RabbitNode, redis_server: RedisServer) -> None:
    sockets = _listening(_family([rabbitmq.pid, rabbitmq.epmd.pid, redis_server.pid]))
    assert {port for _, port in sockets} >= {rabbitmq.port, rabbitmq.epmd_port, redis_server.port}
    assert {ip for ip, _ in sockets} <= {"127.0.0.1", "::1"}  # epmd answers on both loopbacks


def test_guest_and_a_wrong_password_are_refused(rabbitmq: RabbitNode, redis_server: RedisServer) -> None:
    for user in ("guest:guest", "callboard:guest"):
        url = f"amqp://{user}@127.0.0.1:{rabbitmq.port}/callboard"
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(pika.URLParameters(url))
    with (
        redis.Redis(port=redis_server.port) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_rabbitmqctl_speaks_to_this_node(rabbitmq: RabbitNode) -> None:
    assert rabbitmq.ctl("list_vhosts").split() == ["name", "callboard"]
    with pytest.raises(LocalServerError, match="no-such-command"):
        rabbitmq.ctl("no-such-command")


def test_quorum_queues_may_be_declared(rabbitmq: RabbitNode, namespace: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(namespace, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_delete(namespace)


def test_rabbitmq_killed_and_started_again_still_has_its_messages(tmp_path: Path) -> None:
    with running_rabbitmq(tmp_path / "node") as node:
        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            connection.channel().queue_declare("kept", durable=True)
        # A kill in the moment after a declaration can lose the queue: Mnesia writes its log a little later.
        node.stop()
        node.start()
        node.wait_ready()
        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(
                "", "kept", b"a task", pika.BasicProperties(delivery_mode=2), mandatory=True
            )
        family = _family([node.pid])

        node.kill()
        assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []  # not one helper is left
        assert not node.answers()
        node.start()
        node.wait_ready()

        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            _, _, body = connection.channel().basic_get("kept", auto_ack=True)
        assert body == b"a task"


def test_redis_killed_and_started_again_still_has_its_data(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "a record")
        server.kill()
        assert not server.answers()
        server.start()
        server.wait_ready()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"a record"


def test_after_stop_nothing_of_a_node_is_left(tmp_path: Path) -> None:
    with running_rabbitmq(tmp_path / "node") as node:
        family = _family([node.pid, node.epmd.pid])
    assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []


def test_a_server_that_cannot_start_says_why(tmp_path: Path, redis_server: RedisServer) -> None:
    server = RedisServer(tmp_path / "redis", redis_server.port)
    server.start()
    with pytest.raises(LocalServerError, match=r"Redis ended while starting(.|\n)*Address already in use"):
        server.wait_ready()
