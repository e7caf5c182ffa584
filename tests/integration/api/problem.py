"""What every error answer has to be: RFC 9457, with nothing of a library's own."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

MEMBERS = {"type", "title", "status", "detail", "errors", "request_id", "task_id"}


def check(
    answer: httpx.Response, status: int, kind: str, pointers: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the problem of an answer; the pointers of its errors have to be these, if given."""
    assert answer.status_code == status, answer.text[:500]
    problem = check_form(answer.status_code, dict(answer.headers), answer.content)
    assert problem["type"] == f"/problems/{kind}"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    if pointers is not None:
        assert [each["pointer"] for each in problem.get("errors", [])] == list(pointers), problem
    return problem


def check_form(status: int, headers: dict[str, str], content: bytes) -> dict[str, Any]:
    """Return the problem of an answer that may be any error."""
    assert headers["content-type"] == "application/problem+json", content[:200]
    assert headers["cache-control"] == "no-store"
    problem: dict[str, Any] = json.loads(content)
    assert set(problem) <= MEMBERS
    assert problem["status"] == status
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail"))
    assert problem["type"].startswith("/problems/")
    for error in problem.get("errors", []):
        assert set(error) == {"pointer", "detail"}
        assert error["pointer"] == "" or error["pointer"].startswith("/")
    assert "Traceback" not in problem["detail"]
    return problem
