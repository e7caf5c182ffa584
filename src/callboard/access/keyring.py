"""Knows the keys and sessions in use, so that a request asks nobody; one per web process.

Twice a second it reads one number in Redis that changes with every revoked key and ended session; when it
has changed, everything in use is looked up again. While Redis is away, what was found to be good stays good.
"""

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from typing import Final

from callboard.access.lookup import Given, session, stored_key
from callboard.access.principal import Principal
from callboard.access.secret import digest_of, id_of
from callboard.errors import Unavailable
from callboard.store import api_keys, sessions
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner

logger = logging.getLogger(__name__)

#: Seconds between looks at the version: revocation reaches every process within one of them and a moment.
POLL_S: Final = 0.5
#: Seconds after which a key or session in use is read again: it was used, and sessions must not run out.
FRESH_S: Final = 60.0
#: Keys and sessions that are remembered, and texts that are none.
KNOWN_MOST: Final = 10_000
UNKNOWN_MOST: Final = 1_000
#: Characters of a key or cookie that are looked at at all.
SECRET_MOST: Final = 256


class Keyring:
    """Answers who a key or a cookie belongs to."""

    def __init__(self, store: AsyncRunner, keys: Keys, given: Given, session_idle_s: int) -> None:
        self._store = store
        self._keys = keys
        self._given = given
        self._idle_s = session_idle_s
        #: By the secret itself, with the time until which nobody needs to be asked.
        self._known: dict[tuple[str, str], tuple[Principal, float]] = {}
        self._unknown: set[tuple[str, str]] = set()
        #: Everything that is in use, also by open streams alone.
        self._alive: weakref.WeakSet[Principal] = weakref.WeakSet()
        self._version: bytes | None = None
        self._epoch = 0
        self._poller: asyncio.Task[None] | None = None
        self._on_end: list[Callable[[Principal], None]] = []

    def on_end(self, tell: Callable[[Principal], None]) -> None:
        """Have `tell` called with every principal in use that was revoked, signed out or ran out."""
        self._on_end.append(tell)

    def at_hand(self, kind: str, secret: str) -> Principal | None:
        """Return who has this `key` or `session`, if nobody needs to be asked."""
        found = self._known.get((kind, secret))
        if found is None or time.monotonic() >= found[1] or found[0].over():
            return None
        return found[0]

    async def key(self, secret: str) -> Principal | None:
        """Return who has this key; raises Unavailable when only Redis could tell and it is away."""
        return await self._find("key", secret)

    async def session(self, cookie: str) -> Principal | None:
        """Return who has this cookie; raises Unavailable as `key` does."""
        return await self._find("session", cookie)

    async def _find(self, kind: str, secret: str) -> Principal | None:
        name = (kind, secret)
        found = self._known.get(name)
        if found is not None:
            principal, fresh_until = found
            if principal.over():
                self._drop(principal)
                return None
            if time.monotonic() < fresh_until:
                return principal
        elif name in self._unknown or len(secret) > SECRET_MOST:
            return None
        try:
            looked_up = await self._look_up(kind, digest_of(secret), used=True)
        except Unavailable:
            if found is not None and not found[0].over():
                return found[0]
            raise
        return self._note(name, found[0] if found else None, looked_up)

    def _note(
        self, name: tuple[str, str], before: Principal | None, found: Principal | None
    ) -> Principal | None:
        if found is None:
            if before is not None:
                self._end(before)
            if len(self._unknown) >= UNKNOWN_MOST:
                self._unknown.clear()
            self._unknown.add(name)
            return None
        current = self._known.get(name)
        principal = current[0] if current is not None and not current[0].ended else found
        if len(self._known) >= KNOWN_MOST:
            self._known.clear()
        self._known[name] = principal, time.monotonic() + FRESH_S
        self._alive.add(principal)
        return principal

    async def _look_up(self, kind: str, digest: str, *, used: bool) -> Principal | None:
        if kind == "key" and (given := self._given.key(digest)):
            return given
        while True:
            epoch = self._epoch
            if kind == "key":
                fields = await self._store.run(api_keys.read(self._keys, id_of(digest), used=used))
                found = stored_key(digest, fields)
            else:
                both = await self._store.run(sessions.read(self._keys, digest, self._idle_s, used=used))
                found = session(self._given, digest, *both)
            if epoch == self._epoch:  # else the answer may be from before a revocation that was seen since
                return found

    def start(self) -> None:
        """Begin to look for what is revoked."""
        self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            try:
                version = await self._store.run(api_keys.version(self._keys))
                if version != self._version:
                    self._epoch += 1
                    self._unknown.clear()
                    await self._check_all()
                    self._version = version
            except Unavailable:
                pass  # what is known stays known; the next look finds out
            except Exception:
                logger.exception("looking for revoked keys failed; trying again")
            for principal in [each for each in self._alive if each.ends_at is not None]:
                if principal.over():
                    self._end(principal)
            await asyncio.sleep(POLL_S)

    async def _check_all(self) -> None:
        used = [each for each in self._alive if not each.ended]
        found = await asyncio.gather(*(self._look_up(each.kind, each.digest, used=False) for each in used))
        for principal, now in zip(used, found, strict=True):
            if now is None:
                self._end(principal)

    def _end(self, principal: Principal) -> None:
        principal.ended = True
        self._drop(principal)
        for tell in self._on_end:
            tell(principal)

    def _drop(self, principal: Principal) -> None:
        self._known = {name: found for name, found in self._known.items() if found[0] is not principal}

    async def close(self) -> None:
        """Stop looking."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
