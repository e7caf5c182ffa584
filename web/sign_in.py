"""`/sign-in` and `/sign-out`: a key becomes a browser's session, which scripts of a page cannot read."""

from collections import OrderedDict
from typing import Any, Final
from urllib.parse import parse_qsl

import falcon
import falcon.asgi

from callboard.access.access import Access
from callboard.access.principal import Principal
from callboard.errors import Unavailable
from callboard.tasks.times import now_ms
from web import query
from web.guard import Guard
from web.pages import trouble
from web.problems import RequestProblem
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Bytes of the form.
FORM_MOST: Final = 4096
UNKNOWN: Final = "This key is not known: it is mistyped, revoked or out of date."
#: Failures of one address within a minute, and addresses that are remembered.
FAILURES_MOST: Final = 10
WINDOW_MS: Final = 60_000
ADDRESSES_MOST: Final = 10_000


class Failures:
    """Counts failed sign-ins by address: nobody guesses a key, but anybody could fill the audit trail."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise RequestProblem when there were too many."""
        since, number = self._found.get(address, (0, 0))
        left_ms = since + WINDOW_MS - now_ms()
        if number >= FAILURES_MOST and left_ms > 0:
            wait = {"Retry-After": str(left_ms // 1000 + 1)}
            raise RequestProblem("rate-limited", "too many failed sign-ins from this address", headers=wait)

    def add(self, address: str) -> None:
        """Count one."""
        since, number = self._found.pop(address, (0, 0))
        now = now_ms()
        self._found[address] = (since, number + 1) if now < since + WINDOW_MS else (now, 1)
        if len(self._found) > ADDRESSES_MOST:
            self._found.popitem(last=False)


class SignIn:
    """`GET` and `POST /sign-in`."""

    def __init__(self, access: Access, site: Site, guard: Guard) -> None:
        self._access = access
        self._site = site
        self._guard = guard
        self._failures = Failures()

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the form; who is signed in goes on at once."""
        wanted = local_address(query.many(req, "next")[-1:])
        try:
            if not self._access.required or await self._guard.session(req) is not None:
                raise falcon.HTTPSeeOther(wanted)
        except Unavailable as error:
            self._show(req, resp, 503, wanted, trouble=trouble(error))
            return
        self._show(req, resp, 200, wanted)

    async def on_post(self, req: Request, resp: Response) -> None:
        """Begin a session with the form's key."""
        form = await _form(req)
        wanted = local_address([form.get("next", "")])
        if not self._access.required:
            raise falcon.HTTPSeeOther(wanted)
        self._failures.check(req.remote_addr)
        try:
            key = await self._access.keyring.key(form.get("key", "").strip())
            if key is None:
                self._failures.add(req.remote_addr)
                self._show(req, resp, 401, wanted, problem=UNKNOWN)
                return
            cookie = await self._access.sign_in(key)
        except Unavailable as error:
            self._show(req, resp, 503, wanted, trouble=trouble(error))
            return
        req.context["principal"] = key
        resp.set_cookie(
            self._access.cookie, cookie, max_age=self._access.session_most_s, path="/", http_only=True,
            same_site="Strict", secure=_by_https(req),
        )  # fmt: skip
        resp.status = 303
        resp.location = wanted

    def _show(self, req: Request, resp: Response, status: int, wanted: str, **values: Any) -> None:
        resp.set_header("Cache-Control", "no-store")
        self._site.send(req, resp, "sign_in.html", status, wanted=wanted, **values)


class SignOut:
    """`POST /sign-out`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_post(self, req: Request, resp: Response) -> None:
        """End the session; the browser forgets its cookie."""
        query.only(req, ())
        who: Principal | None = req.context["principal"]
        if who is not None and who.kind == "session":
            await self._access.sign_out(who)
        resp.unset_cookie(self._access.cookie, path="/", same_site="Strict")
        resp.status = 204


def local_address(wanted: list[str]) -> str:
    """Return where to go after signing in: an address of this site, whatever was asked for."""
    text = wanted[0] if wanted else ""
    inside = text.startswith("/") and not text.startswith(("//", "/\\", "/sign-in"))
    return text if inside and text.isascii() and text.isprintable() and "\\" not in text else "/"


def _by_https(req: Request) -> bool:
    """Tell whether the browser came by https, perhaps to a proxy: it says so itself with every form."""
    return req.scheme == "https" or (req.get_header("Origin") or "").startswith("https://")


async def _form(req: Request) -> dict[str, str]:
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestProblem("unsupported-media", "send a form: key=cb_…&next=/")
    body: bytes = await req.stream.read(FORM_MOST + 1)
    if len(body) > FORM_MOST:
        raise RequestProblem("too-large", f"the form may have {FORM_MOST} bytes")
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
