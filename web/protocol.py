"""Two repairs of gunicorn's HTTP/1 protocol, made in its own class.

gunicorn answers what its parser refuses (a broken request line, too many headers, a bad chunk) before
Falcon sees it, as text; all of that goes through one method, replaced here by one that writes a problem.

And of what arrives while it is still busy with a response it keeps 64 KiB: the next request of a fast
client that sends more in one go is cut, and the connection closed without an answer (seen with every third
100 kB body on loopback). Here that counts as other buffered bytes do: above 256 KiB reading is paused.

A subclass would lose the parser in C, which gunicorn looks up in its own class only. gunicorn is pinned;
tests/integration/api/test_malformed_http.py and test_connections.py see when this no longer works.
"""

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Final

from gunicorn.asgi.protocol import ASGIProtocol

from callboard.tasks.ids import new_task_id
from web.problems import MEDIA_TYPE, RequestProblem, rendered

#: gunicorn's status → our kind of problem; its 501 is for an unknown Transfer-Encoding.
_KINDS: Final = {414: "uri-too-long", 426: "upgrade-required", 431: "headers-too-large", 500: "internal"}


def repair() -> None:
    """Repair gunicorn in this process, before its workers take connections."""
    ASGIProtocol._send_error_response = _send_error_response
    if ASGIProtocol._check_h1c_protocol_available():  # the parser in Python keeps and counts it anyway
        ASGIProtocol._h1c_protocol_class = partial(ASGIProtocol._h1c_protocol_class, limit_remaining=0)
        ASGIProtocol._http1_buffered = _http1_buffered


def _http1_buffered(self: ASGIProtocol) -> int:
    """Return the bytes that wait: of this request's body, and of the requests behind it."""
    receiver, parser = self._body_receiver, self._callback_parser
    waiting: int = receiver.buffered if receiver is not None else 0
    return waiting + len(parser.remaining()) if parser.is_complete else waiting


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
