"""Every route, without a key and with one of each role, generated from the table in web/access.py."""

import re

import pytest
from websockets.exceptions import ConnectionClosed

from callboard.access.roles import Role, allows, in_words
from tests.integration.access.conftest import GIVEN, Guarded
from tests.integration.api import problem
from tests.integration.live.watch import connect
from tests.patience import PATIENCE_S
from web.access import RULES, Rule

UNKNOWN = "01999999-0000-7000-8000-000000000000"
ROUTES = sorted(RULES.items())
UNHEARD_OF = "cb_" + "x" * 43


@pytest.fixture(scope="module")
def others_task(guarded: Guarded) -> str:
    """A task that none of the keys of this test submitted."""
    return guarded.submit(guarded.new_key("somebody-else")["key"])


def address(route: str, task_id: str) -> str:
    """Return an address of a route; only routes that ask whose the task is get one that is there."""
    if route == "/static/{name}":
        return "/static/base.css"
    names = {"task_id": task_id, "name": "default"}
    return re.sub(r"\{(\w+)\}", lambda hole: names.get(hole[1], UNKNOWN), route)


def may(role: Role, rule: Rule) -> bool:
    return rule.role is None or rule.any_role or allows(role, rule.role)


def status(guarded: Guarded, method: str, path: str, key: str | None) -> int:
    """Return the status of an answer, with problems as they have to be; a stream is only begun."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with guarded.first.client.stream(method, path, headers=headers) as answer:
        if answer.status_code in (401, 403):
            answer.read()
            found = problem.check(
                answer, answer.status_code, {401: "unauthorized", 403: "forbidden"}[answer.status_code]
            )
            guarded.said = found["detail"]
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        return answer.status_code


def closed_with(guarded: Guarded, path: str, key: str | None) -> int | None:
    """Return the code a WebSocket is closed with, None when it stays open."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with connect(f"ws://127.0.0.1:{guarded.first.port}{path}", additional_headers=headers) as ws:
        try:
            ws.recv(timeout=PATIENCE_S)
        except ConnectionClosed:
            return ws.close_code
        return None


@pytest.mark.parametrize(("route", "rule"), ROUTES, ids=[" ".join(route) for route, _ in ROUTES])
def test_each_role_gets_exactly_what_the_table_gives_it(
    guarded: Guarded, others_task: str, route: tuple[str, str], rule: Rule
) -> None:
    method, template = route
    path = address(template, others_task if rule.own else UNKNOWN)
    if method == "WEBSOCKET":
        assert closed_with(guarded, path, None) == 4401
        assert closed_with(guarded, path, UNHEARD_OF) == 4401
        for role in Role:
            assert closed_with(guarded, path, GIVEN[role]) == (None if may(role, rule) else 4403)
        return
    for nobody in (None, UNHEARD_OF):
        assert (status(guarded, method, path, nobody) == 401) == (rule.role is not None), nobody
    for role in Role:
        if not may(role, rule):
            assert status(guarded, method, path, GIVEN[role]) == 403, role
            assert f"the role {in_words(rule.role)};" in guarded.said
        elif path != "/sign-out":  # which a key may, and is not told of by another status
            assert status(guarded, method, path, GIVEN[role]) not in (401, 403), role


def test_a_key_reads_the_tasks_it_submitted_itself_and_no_others(guarded: Guarded, others_task: str) -> None:
    key = guarded.new_key("shop", role="submit")["key"]
    own = guarded.submit(key)
    for path in (f"/api/tasks/{own}", f"/api/tasks/{own}?wait=0.1", f"/api/tasks/{own}/logs"):
        assert guarded.call("GET", path, key).status_code == 200, path
    assert closed_with(guarded, f"/ws/tasks/{own}", key) is None
    assert status(guarded, "GET", f"/api/tasks/{own}/events", key) == 200
    for path in (f"/api/tasks/{others_task}", f"/api/tasks/{others_task.upper()}", "/api/tasks"):
        problem.check(guarded.call("GET", path, key), 403, "forbidden")
    problem.check(guarded.call("GET", f"/api/tasks/{UNKNOWN}", key), 404, "not-found")
    problem.check(guarded.call("POST", f"/api/tasks/{own}/cancel", key), 403, "forbidden")


def test_a_batch_belongs_to_its_key_too(guarded: Guarded) -> None:
    key = guarded.new_key("shop", role="submit")["key"]
    body = {"tasks": [{"task_type": "reverse_text", "parameters": {"text": "a"}}]}
    answer = guarded.call("POST", "/api/tasks/batch", key, json=body)
    own = answer.json()["tasks"][0]["task"]["task_id"]
    assert guarded.call("GET", f"/api/tasks/{own}", key).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic b3BzOm9wcw=="},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {UNHEARD_OF * 20}"},
        {"X-API-Key": ""},
        {"X-API-Key": UNHEARD_OF},
        {"Cookie": "callboard_session=abc"},
    ],
    ids=str,
)
def test_what_is_no_key_is_401(guarded: Guarded, headers: dict[str, str]) -> None:
    problem.check(guarded.call("GET", "/api/stats", headers=headers), 401, "unauthorized")


def test_a_key_in_the_address_is_no_key(guarded: Guarded) -> None:
    key = GIVEN[Role.ADMIN]
    for name in ("api_key", "key", "access_token", "token"):
        problem.check(guarded.call("GET", f"/api/stats?{name}={key}"), 401, "unauthorized")


def test_both_headers_carry_a_key(guarded: Guarded) -> None:
    for headers in ({"X-API-Key": GIVEN[Role.READ]}, {"Authorization": f"bearer {GIVEN[Role.READ]}"}):
        answer = guarded.call("GET", "/api/whoami", headers=headers)
        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["role"]) == ("read-given", "read")


def test_a_wrong_method_is_405_and_an_unknown_address_404(guarded: Guarded) -> None:
    problem.check(guarded.call("PUT", "/api/tasks", GIVEN[Role.READ]), 405, "method-not-allowed")
    problem.check(guarded.call("GET", "/api/nowhere", GIVEN[Role.READ]), 404, "not-found")
