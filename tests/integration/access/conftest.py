"""Callboard as other machines would reach it: two web processes on the same servers that ask for keys."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from callboard.access.keyring import FRESH_S
from callboard.access.roles import Role
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store.clients import sync_client
from tests.integration.live.conftest import Web, web_process
from tests.patience import PATIENCE_S

#: A key of each role that stands in the settings.
GIVEN = {role: f"cb_{role.value}_{secrets.token_urlsafe(24)}" for role in Role}
#: A key in use is read again after FRESH_S in any case: who hears earlier has looked for what is revoked.
WITHIN_S = FRESH_S / 2


@dataclass
class Guarded:
    """Two web processes; `settings` are what both were started with."""

    first: Web
    second: Web
    settings: dict[str, Any]
    #: The detail of the last problem that the matrix saw.
    said: str = ""

    def call(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Send one request to the first process, with a key if there is one."""
        return request(self.first, method, path, key, **options)

    def new_key(self, name: str = "made", **fields: Any) -> dict[str, Any]:
        """Make a key over the API."""
        body = {"name": name, "role": "operate", **fields}
        answer = self.call("POST", "/api/keys", GIVEN[Role.ADMIN], json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def revoke(self, key_id: str) -> None:
        """Revoke a key."""
        answer = self.call("DELETE", f"/api/keys/{key_id}", GIVEN[Role.ADMIN])
        assert answer.status_code == 204, answer.text

    def submit(self, key: str, **fields: Any) -> str:
        """Submit a task that nobody runs."""
        body = {"task_type": "reverse_text", "parameters": {"text": "a"}, **fields}
        answer = self.call("POST", "/api/tasks", key, json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def redis(self) -> Any:
        return sync_client(str(self.settings["redis_url"]))

    def logs(self) -> str:
        return "".join(web.process.log.read_text("utf-8") for web in (self.first, self.second))


def request(web: Web, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
    headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
    web.client.cookies.clear()  # of those who signed in with it
    return web.client.request(method, path, headers=headers, **options)


def heard(check: Callable[[], bool]) -> bool:
    """Tell whether a condition comes true before a process would have found out without being told."""
    pause = threading.Event()
    end = time.monotonic() + WITHIN_S
    while not (good := check()) and time.monotonic() < end:
        pause.wait(0.02)
    return good


@pytest.fixture(scope="session")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitNode, redis_server: RedisServer
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    settings: dict[str, Any] = {
        "broker_url": rabbitmq.url,
        "redis_url": redis_server.url,
        "namespace": f"g{secrets.token_hex(6)}",
        "auth": "required",
        "api_keys": ",".join(f"{role}-given:{role}:{key}" for role, key in GIVEN.items()),
    }
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(web_process("web", folder / name, **settings)) for name in ("one", "two")
        )
        made = Guarded(first, second, settings)
        yield made
        for key in GIVEN.values():
            assert key not in made.logs()


@pytest.fixture
def browser_of(guarded: Guarded) -> Iterator[Callable[..., httpx.Client]]:
    """Return a function that signs in with a key and gives a client with the session's cookie."""
    with ExitStack() as stack:

        def sign_in(key: str, web: Web | None = None) -> httpx.Client:
            base = str((web or guarded.first).client.base_url).rstrip("/")
            client = stack.enter_context(httpx.Client(base_url=base, timeout=PATIENCE_S))
            answer = client.post("/sign-in", data={"key": key}, headers={"Origin": base})
            assert answer.status_code == 303, answer.text
            client.headers["Origin"] = base
            return client

        yield sign_in
