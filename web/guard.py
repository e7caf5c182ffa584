"""Asks of every request who sends it and whether they may: keys, sessions, CSRF, rates; then the audit trail.

The rules are in access.py. Where authentication is off, everybody may do everything, and is written down
as `loopback`.
"""

import hmac
from typing import Any, Final
from urllib.parse import quote

import falcon
import falcon.asgi

from callboard.access import principal as principals
from callboard.access.access import Access
from callboard.access.host_names import misdirected
from callboard.access.limits import headers
from callboard.access.principal import Principal
from callboard.access.roles import Role, allows, granting, in_words
from callboard.tasks.ids import is_task_id
from web import problems
from web.access import ADMIN, RULES, Rule
from web.origin import SAFE, same_origin
from web.problems import RequestProblem
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response
WebSocket = falcon.asgi.WebSocket

CSRF_HEADER: Final = "X-CSRF-Token"
#: Addresses that are no pages: a browser that is not signed in gets a problem there.
_NO_PAGES: Final = ("/api/", "/ws/", "/static/", "/metrics", "/healthz", "/readyz")


class Guard:
    """The middleware; `open` gives it what it needs, before the first request."""

    _access: Access
    _site: Site

    def open(self, access: Access, site: Site) -> None:
        """Begin to guard."""
        self._access = access
        self._site = site
        self._nobody = principals.nobody()

    async def process_resource(
        self, req: Request, resp: Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Raise RequestProblem for who may not; the body has not been read yet."""
        method, route = req.method, req.uri_template or ""
        rule = RULES.get(("GET" if method == "HEAD" else method, route))
        if rule is None:
            if not hasattr(resource, f"on_{method.lower()}"):
                return  # 405, or what OPTIONS tells
            rule = ADMIN
        context = req.context
        context.rule = rule  # as context["rule"], in a tenth of the time
        if rule.audit is not None and params:
            context.target = next(iter(params.values()))
        if not self._access.required:
            self._check_name(req)
            context.principal = self._nobody
            return
        if rule.role is None:
            return
        try:
            who = await self._who(req)
        except RequestProblem:
            if not _wants_page(req, route):
                raise
            who = None
        if who is None:
            if _wants_page(req, route):
                raise falcon.HTTPSeeOther(f"/sign-in?next={quote(req.relative_uri, safe='')}")
            raise unauthorized("this needs a key: send it as Authorization: Bearer …, or sign in at /sign-in")
        context.principal = who
        if who.kind == "session" and method not in SAFE:
            _check_csrf(req, who)
        if who.role not in rule.allowed and not await self._may_read(who, rule, params):
            if _wants_page(req, route):
                self._site.send(req, resp, "forbidden.html", 403, needed=rule.role, roles=_roles(rule.role))
                resp.complete = True
                return
            raise _role_too_low(who, rule)
        if who.limited:
            await self._count(resp, who)

    async def process_resource_ws(
        self, req: Request, _ws: WebSocket, _resource: object, params: dict[str, Any]
    ) -> None:
        """Raise RequestProblem for who may not watch; problems.py closes with 4000 + its status."""
        rule = RULES.get(("WEBSOCKET", req.uri_template or ""), ADMIN)
        if not self._access.required:
            self._check_name(req)
            req.context["principal"] = self._nobody
            return
        who = await self._who(req)
        if who is None:
            raise unauthorized("this needs a key or a session")
        if who.kind == "session" and (req.get_header("Origin") is None or not same_origin(req)):
            raise RequestProblem("forbidden", "a session may be used by our own pages only")
        if who.role not in rule.allowed and not await self._may_read(who, rule, params):
            raise _role_too_low(who, rule)
        req.context["principal"] = who

    async def process_response(
        self, req: Request, resp: Response, _resource: object, _succeeded: bool
    ) -> None:
        """Write down what was changed; tell nothing to who was locked out while this request was held."""
        rule: Rule | None = req.context.get("rule")
        if rule is None:
            return
        who: Principal | None = req.context.get("principal")
        if who is not None and who.ended and req.method in SAFE and resp.stream is None:
            problems.send(req, resp, unauthorized("this key or session has just been ended"))
        if rule.audit is None or "unchanged" in req.context:
            return
        if who is not None or rule.role is None:
            status = resp.status if isinstance(resp.status, int) else resp.status_code
            target = req.context.get("target")
            if target is None and status in (201, 202):  # what was made, if its resource did not say
                target = (resp.get_header("Location") or "").rpartition("/")[2]
            self._access.audit.note(
                who.name if who else principals.ANONYMOUS,
                who.key_id if who else "",
                rule.audit,
                target or "",
                req.remote_addr,
                req.context.get("request_id") or "",
                status,
            )

    def _check_name(self, req: Request) -> None:
        """Raise RequestProblem when somebody else's name leads here; a key would be the better proof."""
        host = req.get_header("Host")
        if not self._access.hosts.ours(host):
            raise RequestProblem("misdirected", misdirected(host))

    async def _who(self, req: Request) -> Principal | None:
        """Return who asks, None when there is neither key nor session; raises RequestProblem."""
        given = req.get_header("Authorization")
        if given is None:
            key = req.get_header("X-API-Key")
        else:
            scheme, _, key = given.partition(" ")
            if scheme.lower() != "bearer":
                raise unauthorized("Authorization takes Bearer and a key")
        if key is not None:
            keyring, key = self._access.keyring, key.strip()
            found = keyring.at_hand("key", key) or await keyring.key(key)
            if found is None:
                raise unauthorized("this key is not known: it is mistyped, revoked or out of date")
            return found
        return await self.session(req)

    async def session(self, req: Request) -> Principal | None:
        """Return whose session the request's cookie is, if it is one."""
        if req.get_header("Cookie") is None:
            return None
        cookies = req.get_cookie_values(self._access.cookie)
        if not cookies:
            return None
        keyring = self._access.keyring
        return keyring.at_hand("session", cookies[0]) or await keyring.session(cookies[0])

    async def _may_read(self, who: Principal, rule: Rule, params: dict[str, Any]) -> bool:
        if not (rule.own and allows(who.role, Role.SUBMIT)):
            return False
        task_id = str(params.get("task_id", "")).lower()
        return not is_task_id(task_id) or await self._access.may_read(who, task_id)

    async def _count(self, resp: Response, who: Principal) -> None:
        taken = await self._access.limiter.request(who)
        if taken is None:
            return
        resp.set_headers(headers(who.rate, who.quota, taken))
        if taken.refused:
            raise RequestProblem("rate-limited", f"this key may send requests at {who.rate}; see Retry-After")


def unauthorized(detail: str) -> RequestProblem:
    """Return the problem of who is not known."""
    return RequestProblem("unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="callboard"'})


def _wants_page(req: Request, route: str) -> bool:
    return (
        req.method in ("GET", "HEAD")
        and not route.startswith(_NO_PAGES)
        and "text/html" in (req.get_header("Accept") or "")
    )


def _check_csrf(req: Request, who: Principal) -> None:
    given = req.get_header(CSRF_HEADER)
    if given is None:
        raise RequestProblem(
            "forbidden", f"a change by a signed-in browser needs the header {CSRF_HEADER} (CSRF token)"
        )
    if not hmac.compare_digest(given.encode("utf-8", "replace"), who.csrf.encode()):
        raise RequestProblem(
            "forbidden", f"{CSRF_HEADER} is not the token of this session; load the page again"
        )


def _roles(needed: Role | None) -> list[str]:
    return [] if needed is None else [role.value for role in granting(needed)]


def _role_too_low(who: Principal, rule: Rule) -> RequestProblem:
    needed = in_words(rule.role) if rule.role else "of nobody"
    own = "; it reads the tasks it submitted itself, by their ids" if rule.own else ""
    return RequestProblem(
        "forbidden", f"this needs the role {needed}; the key {who.name!r} is {who.role}{own}"
    )
