"""Makes what gunicorn answers by itself a problem, too.

gunicorn answers what its parser refuses (a broken request line, too many headers, a bad chunk) before
Falcon sees it, as text. All of that goes through one method of its protocol class. It is replaced in that
class itself: a subclass would lose the parser in C, which gunicorn looks up in its own class only.
gunicorn is pinned, and tests/integration/api/test_malformed_http.py sees when this no longer works.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from gunicorn.asgi.protocol import ASGIProtocol

from callboard.tasks.ids import new_task_id
from web.problems import MEDIA_TYPE, RequestProblem, rendered

#: gunicorn's status → our kind of problem; its 501 is for an unknown Transfer-Encoding.
_KINDS: Final = {414: "uri-too-long", 426: "upgrade-required", 431: "headers-too-large", 500: "internal"}


def answer_with_problems() -> None:
    """Let gunicorn's asgi workers of this process answer with problem+json."""
    ASGIProtocol._send_error_response = _send_error_response


def _send_error_response(
    self: ASGIProtocol, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()
) -> None:
    kind = _KINDS.get(status, "bad-request")
    detail = (
        "an unexpected error; the log has it" if kind == "internal" else f"this is no valid HTTP: {message}"
    )
    request_id = new_task_id()
    status, body = rendered(RequestProblem(kind, detail), request_id)
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {request_id}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in extra_headers),
    ]
    self._safe_write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
