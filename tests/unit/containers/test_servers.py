"""What RabbitMQ and Redis are told: least rights, no secret in clear, and no needless change."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from deploy.containers import dotenv, env, servers
from deploy.containers.trouble import Trouble


@pytest.fixture
def found(tmp_path: Path) -> env.Env:
    dotenv.first_use(tmp_path / ".env")
    return env.load(tmp_path / ".env", {})


def test_no_secret_is_written_in_clear(found: env.Env, tmp_path: Path) -> None:
    servers.write(found, tmp_path / "out")
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    for secret in re.findall(r"[\w-]{43,}", (tmp_path / ".env").read_text()):
        assert secret not in written
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_files_are_written_again_only_when_something_changed(found: env.Env, tmp_path: Path) -> None:
    assert servers.write(found, tmp_path / "out") == ["rabbitmq", "redis"]
    assert servers.write(found, tmp_path / "out") == []
    dotenv.change(tmp_path / ".env", "REDIS_ADMIN_PASSWORD", "k3Qz9vT1xB7nM5pL2rW8sD4fG6hJ0yUc")
    assert servers.write(env.load(tmp_path / ".env", {}), tmp_path / "out") == ["redis"]
    dotenv.change(tmp_path / ".env", "RABBITMQ_ADMIN_PASSWORD", "k3Qz9vT1xB7nM5pL2rW8sD4fG6hJ0yUc")
    assert servers.write(env.load(tmp_path / ".env", {}), tmp_path / "out") == ["rabbitmq"]


def test_a_host_gets_the_files_of_the_servers_it_runs(found: env.Env, tmp_path: Path) -> None:
    only = env.Env({**found.values, "COMPOSE_PROFILES": "redis,worker"})
    assert servers.write(only, tmp_path / "out") == ["redis"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["users.acl"]


def test_callboards_rabbitmq_user_has_one_virtual_host_and_no_tag(found: env.Env) -> None:
    made = servers.definitions(env.secrets_of(found))
    assert [each["name"] for each in made["users"]] == ["callboard", "admin"]
    assert made["users"][0]["tags"] == []
    assert [each["name"] for each in made["vhosts"]] == ["callboard"]
    rights = made["permissions"][0]
    for kind in ("configure", "read", "write"):
        assert re.search(rights[kind], "default")
        assert re.search(rights[kind], "delay.07")
        assert not re.search(rights[kind], "amq.topic")
    assert re.search(rights["write"], "amq.default")


def test_a_password_is_hashed_as_rabbitmq_documents_it() -> None:
    # The example of rabbitmq.com/docs/passwords.
    assert (
        servers.password_hash("test12", bytes.fromhex("908DC60A"))
        == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )


def test_redis_keeps_hashes_and_has_no_user_without_a_name(found: env.Env) -> None:
    lines = servers.acl(env.secrets_of(found)).splitlines()
    assert lines[0].startswith("user default off resetpass ")
    password = env.secrets_of(found).redis_password
    assert lines[1].startswith(
        f"user callboard on #{hashlib.sha256(password.encode()).hexdigest()} ~* &* -@all +"
    )


@pytest.mark.parametrize(("text", "size"), [("512m", 2**29), ("2g", 2**31), ("1GB", 2**30), ("64k", 2**16)])
def test_sizes_are_those_of_compose(text: str, size: int) -> None:
    assert servers.size("X", text) == size


def test_a_size_that_is_none_is_told(found: env.Env, tmp_path: Path) -> None:
    bad = env.Env({**found.values, "CALLBOARD_RABBITMQ_MEMORY": "much"})
    with pytest.raises(
        Trouble, match=r"CALLBOARD_RABBITMQ_MEMORY=much is no size; e\.g\. CALLBOARD_RABBITMQ_MEMORY=1g"
    ):
        servers.write(bad, tmp_path / "out")


def test_definitions_are_json_that_rabbitmq_reads_at_every_start(found: env.Env, tmp_path: Path) -> None:
    servers.write(found, tmp_path / "out")
    assert set(json.loads((tmp_path / "out/definitions.json").read_text())) == {
        "users",
        "vhosts",
        "permissions",
    }
    conf = (Path(__file__).parents[3] / "deploy/rabbitmq/rabbitmq.conf").read_text()
    assert "load_definitions = /etc/callboard/definitions.json" in conf
