"""Whatever a client sends, the answer is never a bug of ours, and every refusal is a well-formed problem."""

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.api import problem
from tests.integration.api.serving import Board

FIELDS = [
    "task_type",
    "parameters",
    "priority",
    "delay",
    "eta",
    "max_retries",
    "time_limit",
    "tags",
    "webhook",
    "x",
]
TYPES = [
    "reverse_text",
    "sentiment",
    "flaky",
    "data_processing",
    "email_sending",
    "file_processing",
    "nothing",
]
NAMES = ["text", "data", "to", "subject", "body", "html", "filename", "file_id", "fail_times", "message", "x"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.characters(categories=["Cs"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
#: A body that is nearly a task; with a delay, so that little of what is accepted also runs.
nearly = st.fixed_dictionaries(
    {"task_type": st.sampled_from(TYPES), "delay": st.just(3600)},
    optional={
        "parameters": st.dictionaries(st.sampled_from(NAMES), values, max_size=3),
        "tags": st.lists(values),
    },
)
bodies = (
    values | st.dictionaries(st.sampled_from(FIELDS), values | st.sampled_from(TYPES), max_size=5) | nearly
)

FUZZ = settings(max_examples=150)


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        problem.check_form(answer.status_code, dict(answer.headers), answer.content)


@FUZZ
@given(value=bodies)
def test_any_json_is_accepted_or_refused_properly(board: Board, value: Any) -> None:
    content = json.dumps(value)  # NaN, Infinity and lone surrogates included
    for path, text in (("/api/tasks", content), ("/api/tasks/batch", f'{{"tasks": [{content}]}}')):
        answer = board.client.post(path, content=text, headers={"Content-Type": "application/json"})
        check(answer)
        if answer.status_code == 207:
            (entry,) = answer.json()["tasks"]
            assert entry["status"] < 500


@FUZZ
@given(content=st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0dtfn1e-. ', max_size=40).map(str.encode))
def test_any_bytes_are_refused_properly(board: Board, content: bytes) -> None:
    answer = board.client.post("/api/tasks", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    check(answer)


@FUZZ
@given(
    params=st.lists(
        st.tuples(
            st.sampled_from(
                ["status", "type", "priority", "queue", "tag", "created_after", "limit", "cursor", "x"]
            ),
            st.text(max_size=12) | st.sampled_from(["failed", "high", "1", "2026-01-01T00:00:00Z"]),
        ),
        max_size=5,
    )
)
def test_any_query_is_answered_properly(board: Board, params: list[tuple[str, str]]) -> None:
    check(board.client.get("/api/tasks", params=params))


#: Pages about one task, one schedule.
PAGE = re.compile(rb"/(tasks|schedules)/[^/]+$")

segments = st.sampled_from([b"api", b"tasks", b"batch", b"files", b"static", b"..", b".", b""]) | st.binary(
    max_size=8
)


@FUZZ
@given(
    path=st.lists(segments, max_size=5),
    safe=st.sampled_from(["", "/%;:@!$&'()*+,=~"]),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
)
def test_any_path_is_answered_properly(board: Board, path: list[bytes], safe: str, method: str) -> None:
    target = b"/" + b"/".join(quote(segment, safe=safe).encode() for segment in path)
    answer = board.client.request(method, board.client.base_url.copy_with(raw_path=target))
    assert answer.status_code < 500
    if answer.status_code == 404 and answer.headers["content-type"].startswith("text/html"):
        assert PAGE.match(target), "only what would be a page says in HTML that there is none"
    elif answer.status_code >= 400 and method != "HEAD":
        problem.check_form(answer.status_code, dict(answer.headers), answer.content)
