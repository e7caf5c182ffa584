"""Every error a client can see, as RFC 9457 problem+json; the only place where a code gets its
HTTP status. No traceback and no library's own error page ever leaves this process.
"""

import logging
from http import HTTPStatus
from typing import Any, Final

import falcon
import falcon.asgi
import msgspec

from callboard.errors import CallboardError, FieldProblem, Unavailable, ValidationFailed

Request = falcon.asgi.Request
Response = falcon.asgi.Response
WebSocket = falcon.asgi.WebSocket

logger = logging.getLogger(__name__)

UNEXPECTED: Final = "an unexpected error; the log has it under the request id"

MEDIA_TYPE: Final = "application/problem+json"

#: code → (status, title)
KINDS: Final = {
    "validation": (422, "The request has fields that cannot be used"),
    "malformed-json": (400, "The body is not valid JSON"),
    "bad-request": (400, "The request cannot be understood"),
    "unknown-task-type": (422, "There is no such task type"),
    "idempotency-mismatch": (422, "The Idempotency-Key belongs to another body"),
    "file-refused": (422, "The file's name cannot be used"),
    "file-missing": (404, "There is no such file"),
    "not-found": (404, "There is nothing at this address"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "This is not allowed"),
    "method-not-allowed": (405, "This address does not support the method"),
    "conflict": (409, "The current state does not allow this"),
    "precondition-failed": (412, "It has been changed in the meantime"),
    "incomplete-body": (408, "The body did not arrive"),
    "too-large": (413, "The body is too large"),
    "misdirected": (421, "This service is not known by that name"),
    "uri-too-long": (414, "The address is too long"),
    "unsupported-media": (415, "The body has the wrong content type"),
    "upgrade-required": (426, "This address speaks another protocol"),
    "headers-too-large": (431, "The headers are too large"),
    "rate-limited": (429, "This key has no more requests or tasks for now"),
    "too-many-streams": (429, "There are too many open streams"),
    "unavailable": (503, "Callboard cannot accept this now"),
    "internal": (500, "Something went wrong inside Callboard"),
}

#: Characters shown of a pointer: a client's own keys may be as long as its body.
POINTER_MOST: Final = 1000


class RequestProblem(CallboardError):
    """A request that ends here, before it reaches the library."""

    def __init__(
        self,
        kind: str,
        detail: str,
        problems: list[FieldProblem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.problems = problems or []
        self.headers = headers or {}
        super().__init__(detail)


def body_of(error: CallboardError, request_id: str | None = None) -> tuple[int, dict[str, Any]]:
    """Return the status and the problem object of an error."""
    code = code_of(error)
    status, title = KINDS.get(code, KINDS["internal"])
    problem: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": str(error)[:2000],
    }
    if isinstance(error, (ValidationFailed, RequestProblem)) and error.problems:
        problem["errors"] = [
            {"pointer": each.pointer[:POINTER_MOST], "detail": each.detail[:2000]} for each in error.problems
        ]
    if isinstance(error, Unavailable) and error.task_id:
        problem["task_id"] = error.task_id
        problem["detail"] = (
            problem["detail"].rstrip(".")
            + "; the task of this id may still run: ask for it before you submit again"
        )
    if request_id:
        problem["request_id"] = request_id
    return status, problem


def code_of(error: CallboardError) -> str:
    """Return the last part of the problem's type."""
    return error.kind if isinstance(error, RequestProblem) else error.code


def rendered(error: CallboardError, request_id: str | None = None) -> tuple[int, bytes]:
    """Return the status and the problem as JSON."""
    status, problem = body_of(error, request_id)
    return status, msgspec.json.encode(problem)


def send(req: Request, resp: Response, error: CallboardError) -> None:
    """Answer the request with the error."""
    req.context["problem"] = code_of(error)
    resp.status, resp.data = rendered(error, req.context.get("request_id"))
    resp.content_type = MEDIA_TYPE
    resp.text = resp.stream = None
    resp.delete_header("Content-Encoding")  # of the answer it takes the place of
    resp.set_header("Cache-Control", "no-store")
    if isinstance(error, RequestProblem):
        resp.set_headers(error.headers)
    if isinstance(error, Unavailable):
        resp.set_header("Retry-After", str(error.retry_after_s))


async def on_callboard_error(
    req: Request, resp: Response | None, error: Exception, _params: Any, ws: WebSocket | None = None
) -> None:
    """Answer one of our own errors."""
    assert isinstance(error, CallboardError)  # noqa: S101 - registered for that class only
    code = code_of(error)
    if code not in KINDS:
        logger.error("request %s: unexpected %s: %s", _id(req), type(error).__name__, error)
    await _end(req, resp, error, ws)


async def on_http_error(
    req: Request, resp: Response | None, error: Exception, _params: Any, ws: WebSocket | None = None
) -> None:
    """Answer an error of Falcon's (no such route, no such method, a broken body)."""
    assert isinstance(error, falcon.HTTPError)  # noqa: S101
    if resp is not None and error.headers:
        resp.set_headers(error.headers)
    await _end(req, resp, _translate(req, error), ws)


async def on_unexpected(
    req: Request, resp: Response | None, error: Exception, _params: Any, ws: WebSocket | None = None
) -> None:
    """Answer a bug: the traceback goes to the log, the client gets the request id."""
    logger.error("request %s failed", _id(req), exc_info=error)
    await _end(req, resp, RequestProblem("internal", UNEXPECTED), ws)


async def _end(req: Request, resp: Response | None, error: CallboardError, ws: WebSocket | None) -> None:
    if resp is not None:
        send(req, resp, error)
    elif ws is not None:
        status = body_of(error)[0]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and ws.unaccepted:
            await ws.accept()  # a page cannot see why a handshake is refused, but a code it sees
        await ws.close(4000 + status)


def _translate(req: Request, error: falcon.HTTPError) -> RequestProblem:
    status = error.status_code
    if status == HTTPStatus.NOT_FOUND:
        return RequestProblem("not-found", f"there is nothing at {req.path[:200]}; see /api/task-types and /")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = dict(error.headers or {}).get("Allow", "none")
        return RequestProblem("method-not-allowed", f"{req.method} is not supported here; allowed: {allowed}")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return RequestProblem("too-large", error.description or "the body is too large")
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return RequestProblem("unsupported-media", error.description or "send application/json")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RequestProblem("internal", UNEXPECTED)
    return RequestProblem("bad-request", error.description or error.title or "the request is malformed")


def _id(req: Request) -> str | None:
    found: str | None = req.context.get("request_id")
    return found
