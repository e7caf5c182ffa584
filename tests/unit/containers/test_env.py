"""The file .env: made strong, and every value that can go wrong told in one line before anything starts."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from callboard.access.roles import Role
from callboard.settings import from_env
from deploy.containers import dotenv, env
from deploy.containers.scale import check, write
from deploy.containers.trouble import Trouble


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    assert dotenv.first_use(path)
    return path


def replaced(file: Path, name: str, value: str | None) -> Path:
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}=")]
    file.write_text("\n".join([*lines, *([] if value is None else [f"{name}={value}"])]) + "\n")
    return file


def test_the_first_use_writes_strong_secrets_that_only_the_owner_can_read(file: Path, tmp_path: Path) -> None:
    found = env.load(file, {})
    secrets = env.secrets_of(found)
    made = [
        secrets.broker_password,
        secrets.redis_password,
        secrets.rabbitmq_admin,
        secrets.redis_admin,
        found.admin_key(),
    ]
    assert len(set(made)) == 5
    assert all(len(each) >= 43 for each in made)
    assert file.stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    dotenv.first_use(other)
    assert not set(made) & set(re.findall(r"[\w-]{43,}", other.read_text()))


def test_what_it_writes_are_settings_that_callboard_takes(file: Path) -> None:
    settings = from_env(dotenv.read(file))
    assert urlsplit(settings.broker_url).hostname == "rabbitmq"
    assert settings.api_keys[0].name == "admin"


def test_a_second_use_leaves_it_alone(file: Path) -> None:
    before = file.read_bytes()
    assert not dotenv.first_use(file)
    assert file.read_bytes() == before


def test_a_file_that_others_can_read_is_made_private(file: Path) -> None:
    file.chmod(0o644)
    env.load(file, {})
    assert file.stat().st_mode & 0o777 == 0o600


LONG = "k3Qz9vT1xB7nM5pL2rW8sD4fG6hJ0yUc"

#: Name, value (None: the line is missing), and what the one line says.
BAD = [
    ("COMPOSE_PROFILES", None, "COMPOSE_PROFILES is missing"),
    ("COMPOSE_PROFILES", "al", "unknown al; there are all,"),
    ("CALLBOARD_BROKER_URL", None, "CALLBOARD_BROKER_URL is missing"),
    ("CALLBOARD_BROKER_URL", "http://rabbitmq", "is no amqp or amqps URL"),
    ("CALLBOARD_BROKER_URL", f"amqp://guest:{LONG}@rabbitmq/callboard", "must be one of Callboard's own"),
    ("CALLBOARD_BROKER_URL", "amqp://callboard@rabbitmq/callboard", "its password is missing"),
    ("CALLBOARD_BROKER_URL", "amqp://callboard:short@rabbitmq/callboard", "shorter than 20 characters"),
    ("CALLBOARD_BROKER_URL", "amqp://callboard:callboard-password-1@rabbitmq/callboard", "can be guessed"),
    ("CALLBOARD_BROKER_URL", f"amqp://callboard:{LONG}@rabbitmq:5672/", "no virtual host of its own"),
    ("CALLBOARD_REDIS_URL", None, "CALLBOARD_REDIS_URL is missing"),
    ("CALLBOARD_REDIS_URL", "redis://callboard:aaaaaaaaaaaaaaaaaaaaaaaa@redis:6379/0", "can be guessed"),
    ("CALLBOARD_REDIS_URL", f"redis://callboard:{LONG}@redis:99999/0", "is no redis or rediss"),
    ("RABBITMQ_ADMIN_PASSWORD", None, "RABBITMQ_ADMIN_PASSWORD is missing"),
    ("RABBITMQ_ADMIN_PASSWORD", "changeme", "shorter than 20 characters; a good one: "),
    ("REDIS_ADMIN_PASSWORD", f"{LONG} {LONG}", "characters other than"),
    ("REDIS_ADMIN_PASSWORD", f"$${LONG}", "has a $ in it"),
    ("CALLBOARD_API_KEYS", None, "CALLBOARD_API_KEYS is missing"),
    ("CALLBOARD_API_KEYS", LONG, "not name:role:key"),
    ("CALLBOARD_API_KEYS", f"admin:king:{LONG}", "the role of admin, king, is none of submit, read"),
    ("CALLBOARD_API_KEYS", "admin:admin:1234", "the key of admin is shorter"),
    ("CALLBOARD_PORT", "http", "CALLBOARD_PORT=http is no whole number from 1 to 65535"),
    ("CALLBOARD_PORT", "70000", "from 1 to 65535"),
    ("CALLBOARD_PORT", "5555", "are both 5555; change one"),
    ("CALLBOARD_WORKERS", "many", "CALLBOARD_WORKERS=many is no whole number"),
    ("CALLBOARD_DRAIN_TIMEOUT", "60", "CALLBOARD_STOP_GRACE must be at least 70s"),
    ("CALLBOARD_DRAIN_TIMEOUT", "soon", "is no number of seconds"),
    ("CALLBOARD_STOP_GRACE", "2m", "is no number of seconds; e.g. CALLBOARD_STOP_GRACE=45s"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD)
def test_a_bad_value_is_told_in_one_line(file: Path, name: str, value: str | None, says: str) -> None:
    with pytest.raises(Trouble) as caught:
        env.load(replaced(file, name, value), {})
    line = str(caught.value)
    assert says in line
    assert line.startswith(".env: ")
    assert "\n" not in line
    assert "changeme" not in line  # a secret is not repeated


def test_the_roles_are_callboards_own() -> None:
    assert tuple(env.ROLES) == tuple(Role)


def test_the_digest_is_another_one_when_a_setting_is(file: Path) -> None:
    before = env.load(file, {}).digest
    assert env.load(replaced(file, "CALLBOARD_WORKERS", "5"), {}).digest == before
    assert env.load(replaced(file, "CALLBOARD_PORT", "5001"), {}).digest == before
    assert env.load(replaced(file, "CALLBOARD_RESULT_TTL", "60"), {}).digest != before


def test_a_service_of_no_containers_is_not_started(file: Path) -> None:
    found = env.load(replaced(file, "CALLBOARD_WORKERS", "0"), {})
    assert set(found.services) - set(found.wanted) == {"worker"}


def test_a_line_that_is_no_value_is_told_with_its_number(file: Path) -> None:
    file.write_text("COMPOSE_PROFILES=all\nwhat is this\n")
    with pytest.raises(Trouble, match=r"^\.env, line 2: not NAME=value$"):
        env.load(file, {})


def test_a_missing_file_is_told_with_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"`make up` writes it"):
        env.load(tmp_path / ".env", {})


def test_a_host_with_workers_only_needs_neither_keys_nor_passwords_of_administrators(file: Path) -> None:
    for name in ("CALLBOARD_API_KEYS", "RABBITMQ_ADMIN_PASSWORD", "REDIS_ADMIN_PASSWORD"):
        replaced(file, name, None)
    replaced(file, "COMPOSE_PROFILES", "worker,worker-email")
    sentinels = "redis+sentinel://:pw@10.0.0.1:26379,10.0.0.2:26379/0?name=master"
    found = env.load(replaced(file, "CALLBOARD_REDIS_URL", sentinels), {})
    assert found.services == ["worker", "worker-email"]


def test_the_environment_comes_before_the_file_as_compose_has_it(file: Path) -> None:
    found = env.load(file, {"CALLBOARD_PORT": "5100", "HOME": "/root"})
    assert found.port("web") == ("127.0.0.1", 5100)
    assert "HOME" not in found.values


def test_scaling_is_kept_for_the_next_start(file: Path) -> None:
    write(file, env.load(file, {}), 4, "worker")
    write(file, env.load(file, {}), 2, "worker-email")
    found = env.load(file, {})
    assert (found.count("worker"), found.count("worker-email")) == (4, 2)
    assert "worker-email" in found.services
    assert file.read_text().startswith("# Callboard in containers")
    assert file.stat().st_mode & 0o777 == 0o600
    write(file, found, 0, "worker-email")
    assert "worker-email" not in env.load(file, {}).services


@pytest.mark.parametrize("number", ["", "0", "-1", "65", "1.5", "four", "4; reboot", "²"])
def test_a_wrong_number_of_workers_is_told(number: str) -> None:
    with pytest.raises(Trouble, match=r"no whole number from 1 to 64; e\.g\. make scale-workers N=4"):
        check(number, "worker")


@pytest.mark.parametrize("service", ["", "web", "redis", "worker-emails"])
def test_only_workers_can_be_scaled(service: str) -> None:
    with pytest.raises(Trouble, match="there are worker, worker-email, worker-data, worker-files"):
        check("2", service)


def test_special_workers_may_be_none() -> None:
    assert check("0", "worker-email") == (0, "worker-email")
