"""docker-compose.yml: what it opens, what it limits, and that the commands know it as it is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from callboard import settings
from deploy.containers.dotenv import _TEMPLATE
from deploy.containers.env import Env
from deploy.containers.services import SERVICES

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PRIVATE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.private.yml").read_text())
OURS = [name for name, service in SERVICES.items() if service.ours]


def plain(text: str) -> str:
    """Return a value as it is without .env."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


def seconds(text: str) -> float:
    return float(plain(str(text)).removesuffix("s"))


def test_the_commands_know_the_services_as_they_are() -> None:
    found = {name: frozenset(each["profiles"]) for name, each in FILE["services"].items()}
    assert found == {name: service.profiles for name, service in SERVICES.items()}
    for name, service in SERVICES.items():
        text = str(FILE["services"][name].get("ports", []))
        port = service.port
        assert (port is not None) == (text != "[]"), name
        if port is not None:
            assert f"${{{port.variable}:-{port.default}}}" in text
            assert port.address_variable is None or f"${{{port.address_variable}:-127.0.0.1}}" in text
        if service.count:
            assert FILE["services"][name]["scale"] == f"${{{service.count}:-{service.default_count}}}"


@pytest.mark.parametrize("name", list(FILE["services"]))
def test_what_is_published_is_published_on_loopback_unless_env_says_otherwise(name: str) -> None:
    for port in FILE["services"][name].get("ports", []):
        assert plain(port).startswith("127.0.0.1:"), port


def test_rabbitmq_and_redis_are_not_published() -> None:
    inside = [
        plain(p).rpartition(":")[2] for each in FILE["services"].values() for p in each.get("ports", [])
    ]
    assert not {"5672", "5671", "6379", "4369", "25672"} & set(inside)
    for each in PRIVATE["services"].values():  # only on an address that somebody named
        assert all(port.startswith("${CALLBOARD_PRIVATE_ADDRESS:?") for port in each["ports"])
    assert set(PRIVATE["services"]) == {"rabbitmq", "redis"}


@pytest.mark.parametrize("name", list(FILE["services"]))
def test_every_service_is_limited_and_its_log_rotated(name: str) -> None:
    service = FILE["services"][name]
    assert re.fullmatch(r"\d+[mg]", plain(service["mem_limit"]))
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_our_own_processes_can_write_nothing_but_tmp_and_uploads(name: str) -> None:
    service = FILE["services"][name]
    assert service["read_only"] is True
    assert "cap_add" not in service
    assert set(service.get("volumes", [])) <= {"files:/data/files"}
    assert service["tmpfs"][0].startswith("/tmp:size=")  # noqa: S108 - the container's own


@pytest.mark.parametrize(
    "name", [name for name in FILE["services"] if "tools" not in SERVICES[name].profiles]
)
def test_every_service_has_a_health_check(name: str) -> None:
    test = FILE["services"][name]["healthcheck"]["test"]
    assert test[0] == "CMD"  # without a shell
    if name in OURS:
        role = "worker" if name.startswith("worker") else name
        assert test[1:] == ["callboard", "health", role]
        assert FILE["services"][name]["command"][0] == role


@pytest.mark.parametrize("name", OURS)
def test_a_container_may_stop_longer_than_its_process_needs(name: str) -> None:
    service = FILE["services"][name]
    drain_s = seconds(service["environment"].get("CALLBOARD_DRAIN_TIMEOUT", "0"))
    assert seconds(service["stop_grace_period"]) >= drain_s + 10


@pytest.mark.parametrize(
    "name", [name for name in FILE["services"] if "stop_grace_period" in FILE["services"][name]]
)
def test_the_commands_give_a_container_the_same_time_to_stop(name: str) -> None:
    assert Env({}).grace_s(name) == seconds(FILE["services"][name]["stop_grace_period"])


@pytest.mark.parametrize("name", OURS)
def test_servers_start_first_where_they_run_on_the_same_host(name: str) -> None:
    wanted = {"condition": "service_started", "required": False}
    assert FILE["services"][name]["depends_on"] == {"rabbitmq": wanted, "redis": wanted}


def test_every_setting_reaches_the_processes_that_use_it() -> None:
    source = (ROOT / "src/callboard/settings.py").read_text()
    known = {f"{settings.PREFIX}{name}" for name in re.findall(r'source\.take\(\s*"([A-Z_]+)"', source)}
    passed = {name for each in OURS for name in FILE["services"][each]["environment"]}
    # Where the API listens inside its container is this file's business, and it always asks for a key there.
    missing = known - passed - {"CALLBOARD_PORT", "CALLBOARD_DASHBOARD_PORT", "CALLBOARD_HOST_NAMES"}
    assert not missing, f"name them in docker-compose.yml, at the services that use them: {missing}"
    assert {name for name in passed if name.startswith(settings.PREFIX)} <= known


@pytest.mark.parametrize("name", [name for name in OURS if name not in ("web", "dashboard")])
def test_keys_are_given_only_to_those_who_check_them(name: str) -> None:
    assert "CALLBOARD_API_KEYS" not in FILE["services"][name]["environment"]


@pytest.mark.parametrize("name", ["web", "dashboard"])
def test_what_listens_beyond_its_container_asks_for_a_key(name: str) -> None:
    assert FILE["services"][name]["environment"]["CALLBOARD_HOST"] == "0.0.0.0"  # noqa: S104 - inside it
    assert FILE["services"][name]["environment"]["CALLBOARD_AUTH"] == "required"


def test_the_variables_that_env_offers_are_those_of_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"^#?([A-Z_]+)=", _TEMPLATE, re.MULTILINE):
        assert name in text or name.endswith("ADMIN_PASSWORD"), name
