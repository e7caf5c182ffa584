"""What is refused in front of the dashboard, with a page that says why, and what every answer carries."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from callboard.local.ports import free_ports
from tests.integration.dashboard import site as sites
from tests.integration.dashboard.site import Site
from tests.integration.worker.harness import Installation
from tests.patience import PATIENCE_S

UNKNOWN = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"


@pytest.fixture
def waiting(board: Installation) -> Iterator[str]:
    """A task that would be cancelled if a refused request did anything."""
    task_id = board.submit("echo", {"value": 1}, delay=3600)
    yield task_id
    board.cancel(task_id)


def untouched(board: Installation, task_id: str) -> bool:
    return board.status(task_id) == "scheduled"


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/queues/nowhere", 404, "No such queue"),
        ("/queues/%3Cscript%3E", 404, "No such queue"),
        ("/queues/default.XQ", 200, "default"),
        (f"/queues/default/standard/{UNKNOWN}", 404, "No such task"),
        ("/queues/default/failed/..", 404, "No such task"),
        ("/queues/default/failed/%00%ff", 404, "No such task"),
        ("/queues/default/other", 404, "There is no such page"),
        ("/queues/default?cursor=-1", 400, "No such page"),
        ("/queues/default?cursor=%D9%A3", 400, "No such page"),
        ("/queues/default?cursor=x", 400, "No such page"),
        ("/queues/default?cursor=12345", 400, "No such page"),
        ("/queues/default?cursor=" + "9" * 80, 400, "No such page"),
        ("/static/../gate.py", 404, "There is no such page"),
        ("/favicon.ico", 404, "There is no such page"),
        ("/delete-message/", 405, "Use the buttons"),
        ("/delete-message", 405, "Use the buttons"),
        ("/requeue-message", 405, "Use the buttons"),
    ],
)
def test_a_bad_address_is_a_page_that_says_what_is_wrong(
    path: str, status: int, title: str, site: Site
) -> None:
    answer = site.get(path)
    assert (answer.status, answer.title) == (status, title)
    assert "Traceback" not in answer.text
    assert "<script>" not in answer.text


def test_a_task_of_another_queue_is_not_found_in_this_one(
    board: Installation, site: Site, waiting: str
) -> None:
    assert site.get(f"/queues/email/delayed/{waiting}").status == 404
    assert site.post("/delete-message", queue="email.DQ", id=waiting).status == 404
    assert untouched(board, waiting)


def test_a_name_of_somebody_else_that_leads_here_opens_nothing(
    board: Installation, site: Site, waiting: str
) -> None:
    token, foreign = site.token(), {"Host": f"evil.example:{site.port}"}
    answer = site.get(f"/queues/default/delayed/{waiting}", foreign)
    assert (answer.status, answer.title) == (421, "Not under this name")
    assert "CALLBOARD_HOST_NAMES" in answer.text
    own = foreign | {"Origin": f"http://evil.example:{site.port}"}
    assert site.post("/delete-message", own, token, queue="default.DQ", id=waiting).status == 421
    assert untouched(board, waiting)
    assert site.get("/", {"Host": f"localhost:{site.port}"}).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/queues/default", "/queues/nowhere", "/static/dashboard.css", "/healthz"]
)
def test_every_answer_carries_strict_headers(path: str, site: Site) -> None:
    found = site.get(path).headers
    policy = found["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found["x-content-type-options"] == "nosniff"
    assert found["x-frame-options"] == "DENY"
    assert found["referrer-policy"] == "same-origin"
    assert "no-store" in found["cache-control"] or path.startswith("/static/")


def test_the_token_is_in_a_cookie_for_this_site_and_not_for_scripts(site: Site) -> None:
    cookie = site.get("/queues/default").headers["set-cookie"]
    name, _, token = cookie.split(";")[0].partition("=")
    assert (name, len(token)) == ("__dd_csrf", 64)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert site.get("/queues/default").headers["set-cookie"].startswith(f"{name}={token};")


@pytest.mark.parametrize(
    "cookie",
    [
        '__dd_csrf="><script>alert(1)</script>',
        "__dd_csrf=abc",
        "x__dd_csrf=" + "0" * 64,
        "=;;,",
        "a" * 3000,
    ],
)
def test_a_cookie_that_is_no_token_is_not_believed(cookie: str, site: Site) -> None:
    answer = site.get("/queues/default", {"Cookie": cookie})
    assert answer.status == 200
    assert re.match(r"__dd_csrf=[0-9a-f]{64};", answer.headers["set-cookie"])
    assert "0" * 64 not in answer.headers["set-cookie"]
    assert "<script>" not in answer.text


@pytest.mark.parametrize("token", ["", "0" * 64, "x"])
def test_a_form_without_the_right_token_does_nothing(
    token: str, board: Installation, site: Site, waiting: str
) -> None:
    answer = site.post("/delete-message", token=token, queue="default.DQ", id=waiting)
    assert (answer.status, answer.title) == (403, "This form is out of date")
    assert untouched(board, waiting)


def test_a_form_without_the_cookie_does_nothing(board: Installation, site: Site, waiting: str) -> None:
    token = site.token()
    site.cookie = ""
    answer = site.post("/delete-message", token=token, queue="default.DQ", id=waiting)
    assert answer.status == 403
    assert untouched(board, waiting)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_does_nothing(
    headers: dict[str, str], board: Installation, site: Site, waiting: str
) -> None:
    answer = site.post("/delete-message", headers, queue="default.DQ", id=waiting)
    assert (answer.status, answer.title) == (403, "Not from here")
    assert untouched(board, waiting)


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"queue": "default.DQ"}, {}, 422),
        ({"id": UNKNOWN}, {}, 422),
        ({"queue": "default.DQ", "id": "x" * 5000}, {}, 413),
        ({"queue": "default.DQ", "id": UNKNOWN}, {"Content-Type": "application/json"}, 415),
        ({"queue": "default.DQ", "id": UNKNOWN}, {}, 404),
        ({"queue": "nowhere\r\nX-Bad: 1", "id": UNKNOWN}, {}, 404),
        ({"queue": "default.DQ", "id": "\x00"}, {}, 404),
    ],
)
def test_a_form_that_no_page_has_is_refused(
    form: dict[str, str], headers: dict[str, str], status: int, site: Site
) -> None:
    answer = site.post("/delete-message", headers, **form)
    assert answer.status == status
    assert "x-bad" not in answer.headers


def test_text_that_is_not_utf_8_is_refused(site: Site) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert site.send("POST", "/delete-message", b"queue=\xff&id=%ff", headers).status in (403, 422)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method: str, site: Site) -> None:
    answer = site.send(method, "/")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("path", ["/delete-message", "/delete-message/", "/delete-message%0a"])
def test_reading_changes_nothing_even_with_a_form_in_the_body(
    path: str, board: Installation, site: Site, waiting: str
) -> None:
    form = f"__dd_csrf={site.token()}&queue=default.DQ&id={waiting}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
    assert site.send("GET", path, form, headers).status == 405
    assert untouched(board, waiting)


def test_a_page_for_reading_takes_no_form(site: Site) -> None:
    assert site.post("/queues/default").status == 405


def test_head_is_get_without_the_body(site: Site) -> None:
    got, head = site.get("/queues/email"), site.send("HEAD", "/queues/email")
    assert head.text == ""
    assert head.headers["content-length"] == got.headers["content-length"]


def test_without_redis_a_page_says_so_and_the_process_lives(board: Installation) -> None:
    (nobody,) = free_ports(1)
    site = sites.start(board, redis_url=f"redis://127.0.0.1:{nobody}/0")
    answer = site.get("/")
    assert (answer.status, answer.title) == (503, "Redis does not answer")
    assert int(answer.headers["retry-after"]) > 0
    assert "Traceback" not in answer.text
    assert (site.get("/healthz").status, site.get("/healthz").text) == (200, "ok\n")
    assert "Traceback" not in site.process.log()
    assert site.process.stop() == 0


def test_requests_that_never_end_do_not_keep_the_others_out(site: Site) -> None:
    with ExitStack() as stack:
        for part in (b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
            for _ in range(4):  # eight in all, as many as there are threads
                client = stack.enter_context(socket.create_connection(("127.0.0.1", site.port)))
                client.sendall(part)
        assert site.get("/").status == 200
    assert "Traceback" not in site.process.log()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_form_that_breaks_off_changes_nothing_and_is_no_bug(
    board: Installation, site: Site, waiting: str, *, leaves: bool
) -> None:
    form = f"__dd_csrf={site.token()}&queue=default.DQ&id={waiting}".encode()
    head = (
        f"POST /delete-message HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {site.cookie}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form) + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_S) as client:
        client.sendall(head.encode() + form)
        if leaves:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert site.get("/").status == 200
    assert untouched(board, waiting)
    assert "Traceback" not in site.process.log()
