"""The same question for programs without an event loop: whose key, whose session is this?

For the dashboard's process, or any other blocking one beside Callboard:

    gate = wiring.gate(settings)   # callboard.access.wiring
    who = gate.key(text)            # of `Authorization: Bearer …` or `X-API-Key`
    who = gate.session(cookie)      # of the cookie named gate.cookie, which browsers send to every port
    if who is not None and allows(who.role, Role.OPERATE): …

Both return a Principal (name, role, key_id; csrf for sessions) or None, and raise Unavailable when Redis is
away and nothing is remembered. Answers are remembered for half a second, so a revoked key is out within one.
Safe to share between threads.
"""

import threading
import time
from typing import Final

from callboard.access.lookup import Given, session, stored_key
from callboard.access.principal import Principal
from callboard.access.secret import digest_of, id_of
from callboard.errors import Unavailable
from callboard.store import api_keys, sessions
from callboard.store.keys import Keys
from callboard.store.sync import SyncStore

#: Seconds an answer is remembered, and used all the same when Redis is away by then.
REMEMBERED_S: Final = 0.5
KNOWN_MOST: Final = 1_000
SECRET_MOST: Final = 256


class Gate:
    """Answers who a key or a cookie belongs to."""

    def __init__(self, store: SyncStore, keys: Keys, given: Given, session_idle_s: int, cookie: str) -> None:
        self._store = store
        self._keys = keys
        self._given = given
        self._idle_s = session_idle_s
        self.cookie: Final = cookie
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[Principal | None, float]] = {}

    def key(self, secret: str) -> Principal | None:
        """Return who has this key, if it is one; raises Unavailable."""
        return self._find("key", secret)

    def session(self, cookie: str) -> Principal | None:
        """Return who has this cookie, if it is a session's; raises Unavailable."""
        return self._find("session", cookie)

    def _find(self, kind: str, secret: str) -> Principal | None:
        if len(secret) > SECRET_MOST:
            return None
        name = (kind, secret)
        with self._lock:
            known = self._known.get(name)
        if known is not None and time.monotonic() < known[1]:
            return _good(known[0])
        try:
            found = self._look_up(kind, digest_of(secret))
        except Unavailable:
            if known is not None and known[0] is not None:
                return _good(known[0])
            raise
        with self._lock:
            if len(self._known) >= KNOWN_MOST:
                self._known.clear()
            self._known[name] = found, time.monotonic() + REMEMBERED_S
        return found

    def _look_up(self, kind: str, digest: str) -> Principal | None:
        if kind == "key":
            given = self._given.key(digest)
            return given or stored_key(digest, self._store.run(api_keys.read(self._keys, id_of(digest))))
        both = self._store.run(sessions.read(self._keys, digest, self._idle_s))
        return session(self._given, digest, *both)


def _good(principal: Principal | None) -> Principal | None:
    return None if principal is None or principal.over() else principal
