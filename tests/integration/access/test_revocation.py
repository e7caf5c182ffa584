"""A revoked key is of no use within a second, at every web process, also for streams that are open.

How long a busy machine takes for it is no test's matter: that all look twice a second, and hear it then, is.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed

from callboard.access.gate import REMEMBERED_S, Gate
from callboard.access.keyring import POLL_S
from callboard.access.roles import Role
from callboard.access.wiring import gate as make_gate
from callboard.settings import from_env
from callboard.store.keys import keys_for
from callboard.tasks.times import now_ms, to_rfc3339
from tests.integration.access.conftest import GIVEN, Guarded, heard, request
from tests.integration.api import problem
from tests.integration.live.conftest import Web
from tests.integration.live.sse import Sse
from tests.integration.live.watch import connect
from tests.patience import PATIENCE_S, wait_until

#: Seconds a client stays whose request may be held for 60.
LEAVES_S = 50.0


def gate_of(guarded: Guarded) -> Gate:
    return make_gate(
        from_env({f"CALLBOARD_{name.upper()}": str(text) for name, text in guarded.settings.items()})
    )


def locked_out(web: Web, key: str) -> bool:
    return request(web, "GET", "/api/stats", key).status_code == 401


def test_everybody_looks_for_revoked_keys_twice_in_the_second_that_is_promised() -> None:
    assert max(POLL_S, REMEMBERED_S) <= 0.5


def test_a_revoked_key_is_out_everywhere(guarded: Guarded) -> None:
    made = guarded.new_key()
    gate = gate_of(guarded)
    for web in (guarded.first, guarded.second):
        assert request(web, "GET", "/api/stats", made["key"]).status_code == 200
    assert gate.key(made["key"]) is not None
    guarded.revoke(made["id"])
    for web in (guarded.first, guarded.second):
        assert heard(partial(locked_out, web, made["key"]))
    assert heard(lambda: gate.key(made["key"]) is None)
    answer = request(guarded.second, "POST", "/api/tasks", made["key"], json={})
    found = problem.check(answer, 401, "unauthorized")
    assert "revoked" in found["detail"]


def test_open_streams_of_a_revoked_key_are_closed_and_others_go_on(guarded: Guarded) -> None:
    made, other = guarded.new_key("watcher"), guarded.new_key("other")
    task_id = guarded.submit(made["key"], delay=3600)
    bearer = {"Authorization": f"Bearer {made['key']}"}
    port = guarded.second.port
    with (
        Sse(port, f"/api/tasks/{task_id}/events", headers=bearer) as one,
        Sse(port, "/api/events", headers=bearer) as all_of_them,
        Sse(port, "/api/events", headers={"Authorization": f"Bearer {other['key']}"}) as others,
        connect(f"ws://127.0.0.1:{port}/ws/tasks/{task_id}", additional_headers=bearer) as ws,
    ):
        assert (one.status, all_of_them.status, others.status) == (200, 200, 200)
        ws.recv(timeout=PATIENCE_S)
        guarded.revoke(made["id"])
        for stream in (one, all_of_them):
            for _ in stream:
                pass
        with suppress(ConnectionClosed):
            ws.recv(timeout=PATIENCE_S)
        assert ws.close_code == 4401
        guarded.submit(other["key"])
        assert next(iter(others)).kind == "state"


def test_requests_that_are_held_end_with_their_key(guarded: Guarded) -> None:
    """The holds are longer than their clients have patience for."""
    made = guarded.new_key("waiter")
    task_id = guarded.submit(made["key"], delay=3600)
    body = {"task_type": "reverse_text", "parameters": {"text": "a"}, "delay": 3600}
    channels = keys_for(guarded.settings["namespace"]).updates("*")

    def held(method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {made['key']}", "Prefer": "wait=60"}
        with httpx.Client(base_url=guarded.second.client.base_url, timeout=LEAVES_S) as client:
            return client.request(method, path, headers=headers, **more)

    with ThreadPoolExecutor() as threads, guarded.redis() as redis:
        reading = threads.submit(held, "GET", f"/api/tasks/{task_id}?wait=60")
        submitting = threads.submit(held, "POST", "/api/tasks", json=body)
        wait_until(lambda: len(redis.pubsub_channels(channels)) == 2, what="both are held")
        guarded.revoke(made["id"])
        problem.check(reading.result(), 401, "unauthorized")
        accepted = submitting.result()
    assert accepted.status_code == 202, "it was accepted before, and that is what its client must hear"
    assert accepted.json()["status"] == "scheduled"


def test_a_key_that_runs_out_closes_its_streams(guarded: Guarded) -> None:
    for life_s in (1.5, 6, 24):  # a busy machine may need longer than that to open a stream
        made = guarded.new_key("short", expires_at=to_rfc3339(now_ms() + int(life_s * 1000)))
        bearer = {"Authorization": f"Bearer {made['key']}"}
        with Sse(guarded.first.port, "/api/events", headers=bearer) as stream:
            if stream.status == 200:
                for _ in stream:
                    pass
                break
    assert stream.status == 200
    assert guarded.call("GET", "/api/stats", made["key"]).status_code == 401


def test_the_sessions_of_a_revoked_key_end_with_it(
    guarded: Guarded, browser_of: Callable[..., httpx.Client]
) -> None:
    made = guarded.new_key("browser")
    browser = browser_of(made["key"], guarded.second)
    assert browser.get("/api/stats").status_code == 200
    guarded.revoke(made["id"])
    assert heard(lambda: browser.get("/api/stats").status_code == 401)


def test_a_key_of_the_settings_is_revoked_there(guarded: Guarded) -> None:
    keys = guarded.call("GET", "/api/keys", GIVEN[Role.ADMIN]).json()["keys"]
    given = next(each for each in keys if each["source"] == "settings")
    answer = guarded.call("DELETE", f"/api/keys/{given['id']}", GIVEN[Role.ADMIN])
    assert "CALLBOARD_API_KEYS" in problem.check(answer, 409, "conflict")["detail"]
    problem.check(guarded.call("DELETE", "/api/keys/0", GIVEN[Role.ADMIN]), 404, "not-found")
