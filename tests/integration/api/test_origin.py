"""Pages of other sites cannot change anything through a visitor's browser."""

import re

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board, body

ID = "01a2033e-77b8-75bb-b329-f72e9b3743e9"
CHANGES = [
    ("POST", "/api/tasks"),
    ("POST", "/api/tasks/batch"),
    ("POST", f"/api/tasks/{ID}/cancel"),
    ("POST", f"/api/tasks/{ID}/retry"),
    ("DELETE", f"/api/tasks/{ID}"),
    ("POST", "/api/files?filename=a.txt"),
    ("PUT", "/api/nowhere"),
]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
REVERSE = body("reverse_text", {"text": "a"})


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_changes_nothing(
    still_empty: Board, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = still_empty.client.request(method, path, headers=headers, json=REVERSE)
    problem.check(answer, 403, "forbidden")


def test_a_prefix_or_suffix_of_our_origin_is_foreign(still_empty: Board) -> None:
    for origin in (
        still_empty.url + ".evil.example",
        still_empty.url[:-1],
        f"{still_empty.url}@evil.example",
    ):
        answer = still_empty.client.post("/api/tasks", headers={"Origin": origin}, json=REVERSE)
        problem.check(answer, 403, "forbidden")


def test_our_own_page_and_programs_may(board: Board) -> None:
    own = board.url.rstrip("/")
    for headers in (
        {},
        {"Origin": own},
        {"Origin": own.replace("http:", "https:")},  # behind a proxy that ends TLS
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        answer = board.client.post("/api/tasks", headers=headers, json=REVERSE)
        assert answer.status_code == 202, answer.text
        board.ended(answer.json()["task_id"])


def test_reading_is_not_refused(board: Board) -> None:
    for path in ("/", "/api/tasks", "/api/stats"):
        assert board.client.get(path, headers={"Origin": "http://evil.example"}).status_code == 200
    answer = board.client.get("/api/tasks")
    assert not [name for name in answer.headers if re.match("access-control", name, re.IGNORECASE)]


def test_reading_changes_nothing(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    before = board.get(task["task_id"])
    for path in task["links"].values():
        if not path.endswith("/events"):  # a stream that stays open
            board.client.get(path)
    for path in ("/", "/api/tasks", "/api/queues", "/api/workers", "/api/stats", "/readyz"):
        board.client.get(path)
    assert board.get(task["task_id"]) == before
    board.client.post(task["links"]["cancel"])
