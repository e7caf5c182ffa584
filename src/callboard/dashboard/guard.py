"""Who may look and who may change, and the audit trail: what the gate asks about each request.

The same keys, roles and sessions as the API's. Browsers ask for a key by themselves when they are told of
HTTP Basic; the key is the password, and the user's name does not matter.
"""

import base64
import logging
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from callboard.access import principal as principals
from callboard.access.audit import CHANGES, Entry, encode
from callboard.access.gate import Gate
from callboard.access.host_names import HostNames, misdirected
from callboard.access.networks import Networks, client_of
from callboard.access.principal import Principal
from callboard.access.roles import Role, allows, in_words
from callboard.dashboard.again import Store
from callboard.errors import Unavailable
from callboard.store import audit
from callboard.store.keys import Keys
from callboard.tasks.times import now_ms

logger = logging.getLogger(__name__)

_ASK: Final = {"WWW-Authenticate": 'Basic realm="Callboard", charset="UTF-8"'}


class Refused(Exception):
    """The request is not answered. `advice` says what to do instead."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.advice = advice
        self.headers = dict(headers or {})
        super().__init__(detail)


class Guard:
    """Knows keys and sessions; used by several threads."""

    def __init__(
        self,
        gate: Gate | None,
        store: Store,
        keys: Keys,
        audit_limit: int,
        proxies: Networks = (),
        hosts: HostNames | None = None,
    ) -> None:
        """Take None as the gate where authentication is off; `hosts` then are the names it answers to."""
        self._hosts = hosts or HostNames(())
        self._proxies = proxies
        self._gate = gate
        self._store = store
        self._keys = keys
        self._audit_limit = audit_limit

    def who(self, environ: Mapping[str, Any]) -> Principal:
        """Return who sends a WSGI request; raises Refused (401) or Unavailable."""
        if self._gate is None:
            host = environ.get("HTTP_HOST")
            if not self._hosts.ours(host):
                text = misdirected(host)
                raise Refused(421, "Not under this name", f"{text[:1].upper()}{text[1:]}.")
            return principals.nobody()
        key = _key(environ)
        if key is not None:
            who, why = self._gate.key(key), "This key is not known: it is mistyped, revoked or out of date."
        else:
            session = cookie(environ, self._gate.cookie)
            who = self._gate.session(session) if session else None
            why = "The dashboard of this installation is for those who have a key."
        if who is None:
            advice = (
                "Give a key as the password; the user's name does not matter. Or sign in to the web UI first."
            )
            raise Refused(401, "A key, please", why, advice, _ASK)
        return who

    def note(
        self,
        who: Principal,
        action: str,
        target: str,
        environ: Mapping[str, Any],
        request_id: str,
        status: int,
    ) -> None:
        """Note in the audit trail what somebody has done or tried; never fails."""
        forwarded = [environ["HTTP_X_FORWARDED_FOR"]] if "HTTP_X_FORWARDED_FOR" in environ else []
        client = client_of(str(environ.get("REMOTE_ADDR", "")), forwarded, self._proxies)
        entry = Entry(
            at_ms=now_ms(), actor=who.name, key_id=who.key_id, action=action, target=target,
            client=client, request_id=request_id, status=status,
        )  # fmt: skip
        try:
            self._store.run(audit.add(self._keys, CHANGES, [encode(entry)]))
            self._store.run(audit.keep_newest(self._keys, CHANGES, self._audit_limit))
        except Unavailable as error:
            logger.error("an entry of the audit trail is lost (%s of %s): %s", action, target, error)


def require(who: Principal, needed: Role) -> None:
    """Raise Refused (403) when somebody has not the role."""
    if not allows(who.role, needed):
        detail = f"This needs the role {in_words(needed)}; the key {who.name!r} is {who.role}."
        raise Refused(403, "Your key may not do this", detail)


def cookie(environ: Mapping[str, Any], name: str) -> str:
    """Return the value of a cookie, "" when there is none."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _key(environ: Mapping[str, Any]) -> str | None:
    """Return the key of a request, None when it has none; what is no key is "", which nobody has."""
    given = environ.get("HTTP_AUTHORIZATION")
    if given is None:
        return environ.get("HTTP_X_API_KEY")
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "bearer":
        return str(value.strip())
    if scheme.lower() != "basic":
        return ""
    try:
        name, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        return ""
    return password or name
