"""Off loopback the service starts with a key or not at all; without Redis known keys go on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from callboard.access.roles import Role
from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.access.conftest import GIVEN, Guarded, request
from tests.integration.api import problem
from tests.integration.live.conftest import ROOT, web_process
from tests.patience import PATIENCE_S, wait_until

KEY = "cb_" + "k" * 43
ANYWHERE = "0.0.0.0"  # noqa: S104 - never bound: each of these starts is refused
NOWHERE = {"broker_url": "amqp://127.0.0.1:1/", "redis_url": "redis://127.0.0.1:1/0"}


def refused(command: str, **settings: Any) -> str:
    """Start Callboard, which has to refuse it; return its one line."""
    (port,) = free_ports(1)
    env = {f"CALLBOARD_{name.upper()}": str(text) for name, text in {"port": port, **settings}.items()}
    done = subprocess.run(
        [sys.executable, "-m", "callboard", command],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_embedded_mode_needs_a_key_of_the_settings() -> None:
    for settings in ({"host": ANYWHERE}, {"auth": "required"}):
        line = refused("run", **settings)
        assert "CALLBOARD_API_KEYS=name:role:key" in line


def test_without_any_key_it_does_not_open_to_other_machines(
    redis_server: RedisServer, namespace: str
) -> None:
    servers = {**NOWHERE, "redis_url": redis_server.url, "namespace": namespace}
    line = refused("web", host=ANYWHERE, **servers)
    assert "there is no key" in line
    assert "callboard keys create NAME --role admin" in line


def test_authentication_cannot_be_switched_off_for_other_machines() -> None:
    assert "CALLBOARD_AUTH=off" in refused("web", host=ANYWHERE, auth="off", **NOWHERE)


def test_a_key_of_the_settings_needs_no_redis_and_unknown_ones_are_503(
    tmp_path: Path, rabbitmq: RabbitNode, own_redis: RedisServer, namespace: str
) -> None:
    settings = {
        "broker_url": rabbitmq.url,
        "redis_url": own_redis.url,
        "namespace": namespace,
        "auth": "required",
        "api_keys": f"ops:admin:{KEY}",
    }
    with web_process("web", tmp_path, **settings) as web:
        made = request(web, "POST", "/api/keys", KEY, json={"name": "stored", "role": "read"}).json()
        fresh = request(web, "POST", "/api/keys", KEY, json={"name": "unused", "role": "read"}).json()
        assert request(web, "GET", "/api/task-types", made["key"]).status_code == 200
        own_redis.stop()
        try:
            for key in (KEY, made["key"]):
                assert request(web, "GET", "/api/task-types", key).status_code == 200
            problem.check(request(web, "GET", "/api/task-types", fresh["key"]), 503, "unavailable")
            problem.check(request(web, "GET", "/api/task-types"), 401, "unauthorized")
        finally:
            own_redis.start()
            own_redis.wait_ready()
        wait_until(
            lambda: request(web, "GET", "/api/task-types", fresh["key"]).status_code == 200,
            what="Redis is asked again",
        )


def test_where_authentication_is_off_everything_is_open_and_written_down(tmp_path: Path) -> None:
    with web_process("run", tmp_path) as web:
        who = request(web, "GET", "/api/whoami").json()
        assert (who["name"], who["authentication"]) == ("loopback", "off")
        assert request(web, "POST", "/api/keys", json={"name": "a", "role": "read"}).status_code == 201
        for path in ("/keys", "/audit"):
            page = request(web, "GET", path, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert "Sign out" not in page.text
        (entry,) = request(web, "GET", "/api/audit").json()["entries"]
        assert (entry["actor"], entry["action"], entry["key_id"]) == ("loopback", "key.create", None)


def test_each_key_has_idempotency_keys_of_its_own(guarded: Guarded) -> None:
    keys = [GIVEN[Role.SUBMIT], GIVEN[Role.OPERATE]]
    once: dict[str, Any] = {
        "headers": {"Idempotency-Key": "the-same"},
        "json": {"task_type": "reverse_text", "parameters": {"text": "a"}},
    }
    answers = [guarded.call("POST", "/api/tasks", key, **once) for key in [*keys, *keys]]
    assert [answer.status_code for answer in answers] == [202] * 4
    ids = [answer.json()["task_id"] for answer in answers]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
