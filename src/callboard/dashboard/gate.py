"""What stands in front of dramatiq-dashboard: who may, whether it is a request of ours, how answers look.

The package trusts what it is sent: a missing form field, a bad number or a Redis that is down would be a
500, its cookie has no SameSite, and it sends no security headers.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl

from callboard.access.principal import Principal
from callboard.access.roles import Role, allows
from callboard.dashboard.app import STATIC, Dashboard, may_change
from callboard.dashboard.guard import Guard, Refused, cookie, require
from callboard.errors import Conflict, QueueNotFound, TaskNotFound, Unavailable, ValidationFailed
from callboard.tasks.ids import new_task_id

logger = logging.getLogger(__name__)

#: The package's cookie and form field, and the only value of it that is passed on: it goes into pages.
CSRF: Final = "__dd_csrf"
_TOKEN: Final = re.compile("[0-9a-f]{64}")
_CURSOR: Final = re.compile("[0-9]{1,80}")
#: Bytes of a form; the two that there are have three short fields.
FORM_MOST: Final = 4096
#: The only addresses that change anything, and what that is called in the audit trail.
CHANGES: Final = {"/delete-message": "task.cancel", "/requeue-message": "task.retry"}
#: What a delete is called that deleted, by the end of where it leads.
_DELETED: Final = ("?done=deleted", "task.delete")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" a browser's own forms would come with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: What to do about the statuses that the package answers with nothing but a word.
_PLAIN: Final = {
    403: (
        "This form is out of date",
        "The page that it is on was loaded before the present session began.",
        "Go back, reload that page, and try again.",
    ),
    404: ("There is no such page", "The address is none of the dashboard's.", ""),
    405: ("Use the buttons", "This address takes forms only (POST).", ""),
}

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(slots=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Change:
    """What a request would change, as far as it has been understood."""

    who: Principal | None = None
    action: str = ""
    task_id: str = ""


class Gate:
    """The WSGI application that is served."""

    def __init__(self, dashboard: Dashboard, guard: Guard) -> None:
        self._dashboard = dashboard
        self._guard = guard

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        change, request_id = Change(), new_task_id()
        try:
            answer = self._answer(environ, change)
        except Exception as error:  # noqa: BLE001 - a request's edge: each failure is a page
            answer = self._refusal(_refused(error, request_id))
        if change.who is not None and change.action:
            deleted = answer.headers.get("Location", "").endswith(_DELETED[0])
            action = _DELETED[1] if deleted else change.action
            self._guard.note(change.who, action, change.task_id, environ, request_id, answer.status)
        length = {"Content-Length": str(len(answer.body)), "X-Request-ID": request_id}
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        start_response(status, list((HEADERS | answer.headers | length).items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: Environ, change: Change) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method not in ("GET", "HEAD", "POST"):
            raise Refused(405, *_PLAIN[405], headers={"Allow": "GET, HEAD, POST"})
        if path == "/healthz":
            return Answer(200, {"Content-Type": "text/plain"}, b"ok\n")
        if path in STATIC:
            content_type, data = STATIC[path]
            return Answer(200, {"Content-Type": content_type, "Cache-Control": "max-age=3600"}, data)
        who = self._guard.who(environ)
        if method == "POST":
            change.who, change.action = who, CHANGES.get(path, "")
            require(who, Role.OPERATE)
            inner = _checked(environ, change)
        else:
            require(who, Role.READ)
            inner = _reading(environ)
        may_change.set(allows(who.role, Role.OPERATE))
        token = cookie(environ, CSRF)
        inner["HTTP_COOKIE"] = f"{CSRF}={token}" if _TOKEN.fullmatch(token) else ""
        return self._ask(environ | inner)

    def _ask(self, environ: Environ) -> Answer:
        """Return the package's answer, with what it leaves out."""
        found: list[Any] = []
        chunks: Iterable[bytes] = self._dashboard(environ, lambda *answer: found.append(answer))
        body = b"".join(chunks)
        status, pairs = found[0]
        code = int(status[:3])
        if code >= 400:
            raise Refused(code, *_PLAIN[code])
        headers = {name.title(): value for name, value in pairs}
        if "Set-Cookie" in headers:
            secure = "; Secure" if environ.get("wsgi.url_scheme") == "https" else ""
            headers["Set-Cookie"] += f"; SameSite=Strict{secure}"
        return Answer(code, headers, body)

    def _refusal(self, refused: Refused) -> Answer:
        page = self._dashboard.page(
            "problem.html", title=refused.title, detail=refused.detail, advice=refused.advice, request=None
        )
        headers = {"Content-Type": "text/html; charset=utf-8"} | refused.headers
        return Answer(refused.status, headers, page.encode("utf-8", "replace"))


def _checked(environ: Environ, change: Change) -> Environ:
    """Return what is passed on of a form; raises Refused for what no page of ours sends."""
    origin = environ.get("HTTP_ORIGIN")
    ours = [f"{scheme}://{environ.get('HTTP_HOST', '')}" for scheme in ("http", "https")]
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if (origin is not None and origin not in ours) or site in ("cross-site", "same-site"):
        raise Refused(403, "Not from here", "The request comes from a page of another site.")
    if environ["PATH_INFO"] not in CHANGES:
        raise Refused(
            405, "Nothing to change", "This address is for reading.", headers={"Allow": "GET, HEAD"}
        )
    if environ.get("CONTENT_TYPE", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refused(415, "Not a form", "The dashboard takes HTML forms; programs use the HTTP API.")
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) > FORM_MOST:
        raise Refused(413, "Too large", f"A form of the dashboard has at most {FORM_MOST} bytes.")
    body = _whole(environ, int(length))
    try:
        form = {name.decode(): value.decode() for name, value in parse_qsl(body)}
    except ValueError:
        form = {}
    if missing := [name for name in ("queue", "id") if not form.get(name)]:
        raise Refused(422, "The form is not complete", f"It lacks: {', '.join(missing)}.")
    change.task_id = form["id"][:60]
    return {"wsgi.input": BytesIO(body)}


def _whole(environ: Environ, length: int) -> bytes:
    """Return the body; raises Refused when the client stopped or left before its end."""
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except OSError:
        body = b""
    if len(body) < length:
        raise Refused(400, "The form did not arrive", "It broke off before its end; send it again.")
    return body


def _reading(environ: Mapping[str, Any]) -> Environ:
    """Check the one parameter that the package makes a number of."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if not _CURSOR.fullmatch(query.get("cursor", "0")):
        raise Refused(400, "No such page", "The address has a cursor that is none of the dashboard's.")
    return {}


def _refused(error: Exception, request_id: str) -> Refused:
    """Return what is shown of an error; only what nobody expected is logged with its traceback."""
    match error:
        case Refused():
            return error
        case Unavailable():
            return Refused(
                503,
                "Redis does not answer",
                f"The records cannot be read now: {error}",
                "Nothing is lost by that. Reload in a moment; `callboard doctor` says what is wrong.",
                {"Retry-After": str(error.retry_after_s)},
            )
        case TaskNotFound():
            return Refused(404, "No such task", f"In this queue {error}.")
        case QueueNotFound():
            text = str(error)
            return Refused(404, "No such queue", f"{text[:1].upper()}{text[1:]}.")
        case Conflict():
            return Refused(409, "Too late", f"Nothing was done: {error}.", "Look at the task as it is now.")
        case ValidationFailed():
            return Refused(400, "No such page", "The address has a cursor that is none of the dashboard's.")
        case _:
            logger.error("request %s failed", request_id, exc_info=error)
            return Refused(
                500,
                "The dashboard failed",
                f"It could not do this; its log says why, at request {request_id}.",
            )
