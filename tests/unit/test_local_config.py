"""What is written for the servers of this machine, and what `callboard stack` refuses."""

import socket
import stat
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from callboard.errors import SettingsError
from callboard.local import stack
from callboard.local.ports import free_ports, is_free
from callboard.local.process import LocalServerError, wait_until
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.local.supervisor import Program, Supervisor


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs of the servers' names on PATH, laid out as on Debian, so that none must be installed."""
    usr = tmp_path / "usr"
    for name in ("sbin/rabbitmq-server", "lib/rabbitmq/bin/rabbitmq-server", "sbin/epmd", "sbin/erl"):
        _script(usr / name, "exit 1")
    _script(usr / "sbin/redis-server", 'echo "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64"')
    monkeypatch.setenv("PATH", f"{usr / 'sbin'}:/usr/bin:/bin")
    return usr


def _script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _conf(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {key: value.strip() for key, _, value in (line.partition(" = ") for line in lines)}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_rabbitmq_node_listens_on_loopback_only_and_has_no_guest(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path / "node")
    _, env = node.command()

    conf = _conf(node.folder / "rabbitmq.conf")
    assert conf["listeners.tcp.1"] == f"127.0.0.1:{node.port}"
    assert conf["default_user"] == "callboard"
    assert len(conf["default_pass"]) >= 32
    assert node.url == f"amqp://callboard:{conf['default_pass']}@127.0.0.1:{node.port}/callboard"
    assert "inet_dist_use_interface {127,0,0,1}" in env["ERL_AFLAGS"]
    assert env["ERL_EPMD_ADDRESS"] == "127.0.0.1"


def test_a_task_may_run_for_a_day_before_rabbitmq_cuts_its_channel(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path / "node")
    node.command()
    assert int(_conf(node.folder / "rabbitmq.conf")["consumer_timeout"]) > 24 * 3600 * 1000


def test_the_scripts_behind_debians_wrapper_are_used(tmp_path: Path, stand_ins: Path) -> None:
    argv, _ = RabbitNode(tmp_path / "node").command()
    assert argv == [str(stand_ins / "lib/rabbitmq/bin/rabbitmq-server")]


def test_nothing_of_the_environment_reaches_rabbitmq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "another")
    monkeypatch.setenv("CALLBOARD_SMTP_URL", "smtp://user:password@mail.example.org")
    node = RabbitNode(tmp_path / "node")
    _, env = node.command()
    assert env["RABBITMQ_NODENAME"] == node.node_name
    assert not [key for key in env if key.startswith("CALLBOARD_")]


def test_nodes_of_two_folders_share_nothing(tmp_path: Path) -> None:
    one, two = RabbitNode(tmp_path / "one"), RabbitNode(tmp_path / "two")
    assert one.node_name != two.node_name
    assert one.url.split("@")[0] != two.url.split("@")[0]
    assert len({one.port, one.epmd_port, two.port, two.epmd_port}) == 4
    cookies = {(node.folder / ".erlang.cookie").read_text() for node in (one, two)}
    assert len(cookies) == 2


def test_a_folder_keeps_its_node_name_password_and_ports(tmp_path: Path) -> None:
    first, again = RabbitNode(tmp_path / "node"), RabbitNode(tmp_path / "node")
    assert (again.node_name, again.url, again.epmd_port) == (first.node_name, first.url, first.epmd_port)

    server, server_again = RedisServer(tmp_path / "redis"), RedisServer(tmp_path / "redis")
    server.command()
    assert RedisServer(tmp_path / "redis").url == server.url
    assert server_again.url.split("@")[0] == server.url.split("@")[0]


def test_a_kept_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path / "node")
    server = RedisServer(tmp_path / "redis")
    server.command()
    with _listening(node.port), _listening(server.port):
        assert RabbitNode(tmp_path / "node").port != node.port
        assert RedisServer(tmp_path / "redis").port != server.port


def test_a_wanted_port_is_used(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    assert RabbitNode(tmp_path / "node", port).port == port
    assert RedisServer(tmp_path / "redis", port).port == port


def test_redis_keeps_every_write_and_forgets_nothing(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    argv, _ = server.command()
    conf = Path(argv[1]).read_text().splitlines()
    wanted = {"bind 127.0.0.1", "protected-mode yes", "appendonly yes", "maxmemory-policy noeviction"}
    assert wanted <= set(conf)
    assert f"requirepass {server.url.split('@')[0].removeprefix('redis://:')}" in conf


def test_too_old_a_redis_is_refused(tmp_path: Path, stand_ins: Path) -> None:
    _script(stand_ins / "sbin/redis-server", 'echo "Redis server v=6.0.16 sha=0:0 bits=64"')
    with pytest.raises(LocalServerError, match=r"v=6\.0\.16; Callboard needs 7 or later"):
        RedisServer(tmp_path / "redis").command()


def test_a_missing_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("callboard.local.process._SBIN", str(tmp_path / "nothing"))
    with pytest.raises(LocalServerError, match="redis-server is not installed"):
        RedisServer(tmp_path / "redis").command()


def test_passwords_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    node, server = RabbitNode(tmp_path / "node"), RedisServer(tmp_path / "redis")
    node.command()
    server.command()
    assert _mode(node.folder) == _mode(server.folder) == 0o700
    files = [node.folder / name for name in ("password", ".erlang.cookie", "rabbitmq.conf")]
    files += [server.folder / name for name in ("password", "redis.conf")]
    assert {_mode(path) for path in files} == {0o600}


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_a_port_is_given_to_nobody_else_before_its_server_listens() -> None:
    (port,) = free_ports(1)
    ask = f"from callboard.local import ports; ports._RANGE = range({port}, {port + 1}); ports.free_ports(1)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert "too few ports" in done.stderr
    assert is_free(port), "its server may listen"


def test_a_port_with_a_listener_is_not_free() -> None:
    (port,) = free_ports(1)
    with _listening(port):
        assert not is_free(port)


def test_waiting_ends_at_its_deadline_and_says_for_what() -> None:
    with pytest.raises(LocalServerError, match=r"the moon is full: not so after 0\.05 s"):
        wait_until(lambda: False, timeout_s=0.05, what="the moon is full", every_s=0.01)


def test_supervisor_restarts_at_once_and_kills_after_the_stop_time(tmp_path: Path) -> None:
    programs = [
        Program("redis", "servers", ["redis"], {"A": "1 2"}),
        Program("worker", "callboard", ["python", "50%"], count=2, stop_wait_s=40.0),
    ]
    conf = RawConfigParser()
    conf.read_string(Supervisor(tmp_path / "run", programs, cwd=tmp_path).configuration())

    worker = conf["program:worker"]
    assert worker["autorestart"] == "true"
    assert worker["startsecs"] == "0"
    assert worker["stopwaitsecs"] == "40"
    assert worker["killasgroup"] == "true"
    assert worker["numprocs"] == "2"
    assert worker["command"] == "python 50%%"
    assert conf["program:redis"]["command"].endswith("env -i 'A=1 2' redis")
    assert int(conf["group:servers"]["priority"]) < int(conf["group:callboard"]["priority"])
    assert conf["unix_http_server"]["chmod"] == "0700"


def test_a_socket_path_too_long_for_the_kernel_moves_to_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    supervisor = Supervisor(deep, [], cwd=tmp_path)
    conf = RawConfigParser()
    conf.read_string(supervisor.configuration())
    address = Path(conf["unix_http_server"]["file"])
    assert len(str(address)) < 90
    assert _mode(address.parent) == 0o700
    supervisor.stop(lambda: True)
    assert not address.parent.exists()


@pytest.mark.parametrize("name", ["PORT", "RABBITMQ_PORT", "REDIS_PORT"])
def test_the_stack_names_the_variable_of_a_port_that_is_taken(name: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with (
        _listening(port),
        pytest.raises(
            SettingsError, match=f"port {port} is taken; choose another one, e.g. CALLBOARD_{name}="
        ),
    ):
        stack.run({f"CALLBOARD_{name}": str(port)}, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("WORKERS", "0"), ("WORKERS", "many"), ("PORT", "70000"), ("DRAIN_TIMEOUT", "soon")]
)
def test_the_stack_names_a_setting_that_makes_no_sense(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"CALLBOARD_{name}: '{value}'"):
        stack.run({f"CALLBOARD_{name}": value}, root=tmp_path)


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))
