"""deploy/rabbitmq, deploy/redis and the users of .env, given to the real servers of this machine."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pika
import pytest
import redis
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError

from callboard.broker.rabbitmq import declare
from callboard.broker.topology import Topology
from callboard.local.ports import accepts, free_ports
from callboard.local.process import ServerProcess, find_program
from callboard.local.rabbitmq import RabbitNode
from deploy.containers import dotenv, env, servers
from tests.patience import PATIENCE_S
from tests.servers import require_servers

ROOT = Path(__file__).parents[3]
LUA = ROOT / "src/callboard/store/lua"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> env.Secrets:
    folder = tmp_path_factory.mktemp("env")
    dotenv.first_use(folder / ".env")
    return env.secrets_of(env.load(folder / ".env", {}))


@dataclass
class Server:
    """A Redis on our redis.conf, with only its folder, port and address changed."""

    folder: Path
    secrets: env.Secrets
    port: int = field(default_factory=lambda: free_ports(1)[0])

    def __post_init__(self) -> None:
        (self.folder / "users.acl").write_text(servers.acl(self.secrets))
        text = (ROOT / "deploy/redis/redis.conf").read_text()
        for old, new in {
            "/etc/callboard/users.acl": f"{self.folder}/users.acl",
            "dir /data": f"dir {self.folder}",
            "port 6379": f"port {self.port}",
            "bind * -::*": "bind 127.0.0.1",
        }.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "redis.conf").write_text(text)
        self.process = ServerProcess("Redis", self.folder / "redis.log")

    def client(self, user: str, password: str) -> redis.Redis:
        return redis.Redis(port=self.port, username=user, password=password, decode_responses=True)

    def start(self) -> None:
        program = str(find_program("redis-server", "valkey-server"))
        argv = [program, str(self.folder / "redis.conf"), "--maxmemory", "768mb"]
        self.process.start(argv, {"LC_ALL": "C.UTF-8"})
        with self.client("admin", self.secrets.redis_admin) as admin:

            def answers() -> bool:
                try:
                    return bool(admin.ping())
                except redis.RedisError:
                    return False

            self.process.wait_until(answers, timeout_s=PATIENCE_S, what="Redis answers")


@pytest.fixture(scope="module")
def server(secrets: env.Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require_servers()
    made = Server(tmp_path_factory.mktemp("redis"), secrets)
    made.start()
    yield made
    made.process.stop(PATIENCE_S)


@pytest.fixture
def redis_port(server: Server) -> int:
    return server.port


@pytest.fixture
def admin(redis_port: int, secrets: env.Secrets) -> Iterator[redis.Redis]:
    with redis.Redis(
        port=redis_port, username="admin", password=secrets.redis_admin, decode_responses=True
    ) as client:
        yield client


def test_what_a_script_wrote_is_there_after_redis_was_killed(server: Server) -> None:
    # Two writes of one script are a transaction in the file; the user that reads it must be allowed EXEC.
    script = "redis.call('HSET', KEYS[1], 'a', '1') redis.call('ZADD', KEYS[2], 1, 'b')"
    with server.client("callboard", server.secrets.redis_password) as client:
        client.eval(script, 2, "kept", "index")
    server.process.kill()
    server.start()
    with server.client("callboard", server.secrets.redis_password) as client:
        assert client.hgetall("kept") == {"a": "1"}
        assert client.zrange("index", 0, -1) == ["b"]
        client.delete("kept", "index")


def commands_of_callboard() -> set[str]:
    """Every Redis command in the scripts, and those that Python sends by themselves."""
    lua = "".join(path.read_text() for path in LUA.rglob("*.lua"))
    found = {name.lower() for name in re.findall(r"redis\.p?call\(\s*'([A-Za-z]+)'", lua)}
    for path in (ROOT / "src/callboard/store").glob("*.py"):
        found |= {name.lower() for name in re.findall(r'Call\([^\n]*\["([A-Z]+)"', path.read_text())}
    return found | {"ping", "info", "time", "eval", "evalsha", "subscribe", "unsubscribe", "publish"}


def test_redis_lets_callboard_do_what_it_does(admin: redis.Redis) -> None:
    rights = servers.REDIS_RIGHTS.split()
    allowed = {right.removeprefix("+") for right in rights if not right.startswith(("+@", "-"))}
    for category in re.findall(r"\+@(\w+)", servers.REDIS_RIGHTS):
        allowed |= set(admin.acl_cat(category))
    allowed = (allowed - set(admin.acl_cat("dangerous"))) | {"info"}
    used = commands_of_callboard()
    assert len(used) > 30
    assert used <= allowed


@pytest.mark.parametrize(
    "command",
    ["CONFIG GET *", "FLUSHALL", "KEYS *", "ACL LIST", "SHUTDOWN", "SAVE", "CLIENT LIST",
     "REPLICAOF NO ONE", "FUNCTION LIST", "MODULE LIST", "SCRIPT FLUSH", "MONITOR", "SWAPDB 0 1"],
)  # fmt: skip
def test_redis_keeps_callboard_from_the_server_itself(
    redis_port: int, secrets: env.Secrets, command: str
) -> None:
    with (
        redis.Redis(port=redis_port, username="callboard", password=secrets.redis_password) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


def test_redis_lets_nobody_in_without_a_name(redis_port: int) -> None:
    with redis.Redis(port=redis_port) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def test_redis_keeps_every_write_and_forgets_nothing(admin: redis.Redis) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    assert {name: admin.config_get(name)[name] for name in wanted} == wanted
    assert admin.config_get("maxmemory")["maxmemory"] == str(768 * 2**20)


@pytest.fixture(scope="module")
def rabbit_port(secrets: env.Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A RabbitMQ of its own on our rabbitmq.conf, with only its ports and paths changed."""
    require_servers()
    node = RabbitNode(tmp_path_factory.mktemp("rabbitmq"))
    command, variables = node.command()
    folder = tmp_path_factory.mktemp("conf")
    (folder / "definitions.json").write_text(json.dumps(servers.definitions(secrets)))
    text = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    for old, new in {
        "listeners.tcp.default = 5672": f"listeners.tcp.1 = 127.0.0.1:{node.port}",
        "/etc/callboard/definitions.json": str(folder / "definitions.json"),
        "log.console.level = warning": "log.console.level = info",
        # Debian's node of this test has no management plugin.
        "management.tcp.port = 15672\n": "",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "rabbitmq.conf").write_text(text + f"total_memory_available_override_value = {2**30}\n")
    node.epmd.start(*node.epmd_command())
    node.epmd.wait_until(lambda: accepts(node.epmd_port), timeout_s=PATIENCE_S, what="epmd listens")
    variables = {**variables, "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf")}
    node.process.start(command, variables)
    url = f"amqp://{secrets.broker_user}:{secrets.broker_password}@127.0.0.1:{node.port}/{secrets.vhost}"

    def answers() -> bool:
        try:
            pika.BlockingConnection(pika.URLParameters(url)).close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    try:
        node.process.wait_until(answers, timeout_s=PATIENCE_S, what="RabbitMQ lets callboard in")
        yield node.port
    finally:
        node.stop()


def connection(port: int, user: str, password: str, vhost: str) -> pika.BlockingConnection:
    parameters = pika.ConnectionParameters("127.0.0.1", port, vhost, pika.PlainCredentials(user, password))
    return pika.BlockingConnection(parameters)


def test_rabbitmq_lets_callboard_declare_and_publish(rabbit_port: int, secrets: env.Secrets) -> None:
    link = connection(rabbit_port, secrets.broker_user, secrets.broker_password, secrets.vhost)
    channel = link.channel()
    channel.confirm_delivery()
    topology = Topology()
    declare(channel, topology.declarations(["default"]))
    channel.basic_publish("", topology.work_queue("default"), b"{}", mandatory=True)
    exchange, key = topology.route("default", 1)
    channel.basic_publish(exchange, key, b"{}", mandatory=True)
    link.close()


def test_rabbitmq_keeps_callboard_from_its_own_exchanges(rabbit_port: int, secrets: env.Secrets) -> None:
    link = connection(rabbit_port, secrets.broker_user, secrets.broker_password, secrets.vhost)
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        link.channel().queue_declare("amq.mine")
    channel = link.channel()
    channel.confirm_delivery()
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.basic_publish("amq.topic", "x", b"")
    link.close()


def test_rabbitmq_has_no_guest(rabbit_port: int) -> None:
    with pytest.raises(ProbableAuthenticationError):
        connection(rabbit_port, "guest", "guest", "/")
