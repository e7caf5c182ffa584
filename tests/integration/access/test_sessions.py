"""Signing in with a key, the session's cookie, CSRF tokens, WebSockets of a browser, signing out."""

import re
from collections.abc import Callable
from http.cookies import SimpleCookie

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from callboard.access.roles import Role
from callboard.access.secret import digest_of
from callboard.store.keys import keys_for
from tests.integration.access.conftest import GIVEN, Guarded, heard
from tests.integration.api import problem
from tests.integration.live.watch import connect
from tests.patience import PATIENCE_S

SignIn = Callable[..., httpx.Client]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def csrf_of(browser: httpx.Client) -> str:
    """Return the token of a page, as its scripts read it."""
    page = browser.get("/keys", headers=HTML)
    found = re.search(r'<meta name="csrf" content="([^"]+)">', page.text)
    assert found, page.text[:500]
    return found[1]


def cookie_name(guarded: Guarded) -> str:
    return f"callboard_session_{guarded.settings['namespace']}"


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    guarded: Guarded, scheme: str, secure: bool
) -> None:
    origin = str(guarded.first.client.base_url).rstrip("/").replace("http", scheme)
    data = {"key": GIVEN[Role.READ], "next": "/tasks?status=failed"}
    answer = httpx.post(
        f"http://127.0.0.1:{guarded.first.port}/sign-in",
        data=data,
        headers={"Origin": origin},
        timeout=PATIENCE_S,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks?status=failed")
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert cookie.key == cookie_name(guarded)
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"]) == ("Strict", "/")
    assert bool(cookie["secure"]) == secure
    assert 0 < int(cookie["max-age"]) <= 7 * 86_400
    assert not cookie["domain"]
    with guarded.redis() as redis:
        prefix = keys_for(guarded.settings["namespace"]).prefix
        assert redis.exists(f"{prefix}session:{digest_of(cookie.value)}")
        assert 0 < redis.ttl(f"{prefix}session:{digest_of(cookie.value)}") <= 12 * 3600
        names = b" ".join(redis.scan_iter(f"{prefix}*"))
        assert cookie.value.encode() not in names


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "evil",
        "/sign-in",
        "/a\r\nSet-Cookie: a=b",
    ],
)
def test_signing_in_leads_nowhere_else(guarded: Guarded, wanted: str) -> None:
    answer = guarded.call("POST", "/sign-in", data={"key": GIVEN[Role.READ], "next": wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_browser_without_a_session_is_sent_to_sign_in_and_back(guarded: Guarded) -> None:
    answer = guarded.call("GET", "/tasks?status=failed", headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/sign-in?next=%2Ftasks%3Fstatus%3Dfailed",
    )
    page = guarded.call("GET", answer.headers["Location"], headers=HTML)
    assert page.status_code == 200
    assert 'value="/tasks?status=failed"' in page.text
    problem.check(guarded.call("GET", "/api/tasks", headers=HTML), 401, "unauthorized")


def test_a_key_that_is_none_signs_nobody_in(guarded: Guarded) -> None:
    answer = guarded.call("POST", "/sign-in", data={"key": "cb_" + "z" * 43}, headers=HTML)
    assert answer.status_code == 401
    assert "This key is not known" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_page_of_another_site_cannot_sign_a_browser_in(guarded: Guarded) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = guarded.call("POST", "/sign-in", data={"key": GIVEN[Role.READ]}, headers=headers)
    problem.check(answer, 403, "forbidden")


def test_a_role_too_low_is_told_on_a_page(guarded: Guarded, browser_of: SignIn) -> None:
    page = browser_of(GIVEN[Role.READ]).get("/keys", headers=HTML)
    assert page.status_code == 403
    assert "needs the role admin" in page.text


def test_a_change_needs_the_token_of_the_session(guarded: Guarded, browser_of: SignIn) -> None:
    browser = browser_of(GIVEN[Role.ADMIN])
    body = {"task_type": "reverse_text", "parameters": {"text": "a"}}
    found = problem.check(browser.post("/api/tasks", json=body), 403, "forbidden")
    assert "X-CSRF-Token" in found["detail"]
    other = csrf_of(browser_of(GIVEN[Role.ADMIN]))
    for wrong in ("", "wrong", other):
        answer = browser.post("/api/tasks", json=body, headers={"X-CSRF-Token": wrong})
        assert "X-CSRF-Token" in problem.check(answer, 403, "forbidden")["detail"]
    good = {"X-CSRF-Token": csrf_of(browser)}
    assert browser.post("/api/tasks", json=body, headers=good).status_code == 202
    assert browser.delete("/api/keys/0", headers=good).status_code == 404
    problem.check(browser.delete("/api/keys/0"), 403, "forbidden")


def test_a_key_in_a_header_counts_before_the_cookie(guarded: Guarded, browser_of: SignIn) -> None:
    browser = browser_of(GIVEN[Role.ADMIN])
    answer = browser.get("/api/whoami", headers={"X-API-Key": GIVEN[Role.READ]})
    assert answer.json()["role"] == "read"
    problem.check(browser.get("/api/whoami", headers={"X-API-Key": "cb_wrong"}), 401, "unauthorized")


def watch(guarded: Guarded, task_id: str, headers: dict[str, str], origin: str | None) -> int | None:
    """Return the code a WebSocket is closed with, None when it stays open."""
    address = f"ws://127.0.0.1:{guarded.first.port}/ws/tasks/{task_id}"
    with connect(address, additional_headers=headers, origin=origin) as ws:  # type: ignore[arg-type]
        try:
            ws.recv(timeout=PATIENCE_S)
        except ConnectionClosed:
            return ws.close_code
        return None


def test_a_websocket_takes_the_cookie_from_our_own_pages_only(guarded: Guarded, browser_of: SignIn) -> None:
    browser = browser_of(GIVEN[Role.OPERATE])
    task_id = guarded.submit(GIVEN[Role.OPERATE], delay=3600)
    cookie = {"Cookie": f"{cookie_name(guarded)}={browser.cookies[cookie_name(guarded)]}"}
    origin = str(guarded.first.client.base_url).rstrip("/")
    assert watch(guarded, task_id, cookie, origin) is None
    for foreign in (None, "http://evil.example", origin + "0", "null"):
        assert watch(guarded, task_id, cookie, foreign) == 4403
    assert watch(guarded, task_id, {}, origin) == 4401


def test_signing_out_ends_the_session_at_every_process(guarded: Guarded, browser_of: SignIn) -> None:
    browser = browser_of(GIVEN[Role.ADMIN])
    name = cookie_name(guarded)
    header = {"Cookie": f"{name}={browser.cookies[name]}"}
    second = guarded.second.client
    assert second.get("/api/whoami", headers=header).json()["by"] == "session"
    token = {"X-CSRF-Token": csrf_of(browser)}
    problem.check(browser.post("/sign-out"), 403, "forbidden")
    answer = browser.post("/sign-out", headers=token)
    assert answer.status_code == 204
    assert name not in browser.cookies
    for client in (second, guarded.first.client):
        assert heard(
            lambda client=client: client.get("/api/whoami", headers=header).status_code == 401  # type: ignore[misc]
        )


def test_a_session_ends_at_its_end(guarded: Guarded, browser_of: SignIn) -> None:
    browser = browser_of(GIVEN[Role.READ])
    digest = digest_of(browser.cookies[cookie_name(guarded)])
    key = f"{keys_for(guarded.settings['namespace']).prefix}session:{digest}"
    with guarded.redis() as redis:
        redis.hset(key, "ends_at", 1)
        assert browser.get("/api/whoami").status_code == 401
        assert not redis.exists(key)


def test_too_many_failures_of_one_address_have_to_wait(guarded: Guarded) -> None:
    """Last in this file: the process goes on refusing this address for a minute."""
    answers = [guarded.second.client.post("/sign-in", data={"key": f"cb_{n}"}) for n in range(11)]
    assert {each.status_code for each in answers[:10]} == {401}
    problem.check(answers[10], 429, "rate-limited")
    assert 1 <= int(answers[10].headers["Retry-After"]) <= 60
