"""Everything a web process needs to know who asks and what they may; one per process."""

import secrets
from dataclasses import dataclass

from callboard.access import entries
from callboard.access.audit import Audit
from callboard.access.entries import KeyEntry, NewKey
from callboard.access.holds import Holds
from callboard.access.host_names import HostNames
from callboard.access.keyring import Keyring
from callboard.access.limiter import Limiter
from callboard.access.lookup import Given
from callboard.access.principal import Principal
from callboard.access.secret import digest_of
from callboard.errors import CallboardError, Conflict
from callboard.store import api_keys, sessions
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner
from callboard.tasks.times import now_ms


class KeyNotFound(CallboardError):
    """No key has this id."""

    code = "not-found"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"no key has the id {key_id[:60]!r}; see GET /api/keys")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Keys, sessions, limits and the audit trail of an installation."""

    #: False: whoever reaches the port may do everything.
    required: bool
    #: Under which names it answers where no key is required.
    hosts: HostNames
    store: AsyncRunner
    keys: Keys
    given: Given
    keyring: Keyring
    holds: Holds
    limiter: Limiter
    audit: Audit
    #: Seconds a session lives unused, and at most.
    session_idle_s: int
    session_most_s: int
    #: The name of the sessions' cookie.
    cookie: str

    def start(self) -> None:
        """Begin to look for revoked keys."""
        self.keyring.on_end(self.holds.end_of)
        if self.required:
            self.keyring.start()

    async def close(self) -> None:
        """Stop, and write what is left of the audit trail."""
        await self.keyring.close()
        await self.limiter.close()
        await self.audit.close()

    async def list_keys(self) -> list[KeyEntry]:
        """Return all keys: those of the settings, then the stored ones, the newest first."""
        stored = await self.store.run(api_keys.listed(self.keys))
        return [
            *(entries.of_given(each) for each in self.given),
            *(entries.of_fields(key_id, fields) for key_id, fields in stored),
        ]

    async def add_key(self, made: NewKey) -> KeyEntry:
        """Keep a new key."""
        await self.store.run(api_keys.add(self.keys, made.key_id, made.fields()))
        return entries.of_new(made)

    async def revoke_key(self, key_id: str) -> KeyEntry:
        """Revoke a key: within a second it is of no use anywhere. Raises KeyNotFound, Conflict."""
        if any(entries.of_given(each).id == key_id for each in self.given):
            raise Conflict("this key stands in CALLBOARD_API_KEYS; take it out there and restart Callboard")
        fields = await self.store.run(api_keys.revoke(self.keys, key_id))
        if not fields:
            raise KeyNotFound(key_id)
        return entries.of_fields(key_id, fields)

    async def sign_in(self, key: Principal) -> str:
        """Begin a session of a browser with a key; return its cookie's value."""
        cookie, now = secrets.token_urlsafe(32), now_ms()
        ends_at = now + self.session_most_s * 1000
        fields = {
            "key_digest": key.digest, "csrf": secrets.token_urlsafe(24), "created_at": str(now),
            "ends_at": str(ends_at),
        }  # fmt: skip
        await self.store.run(sessions.begin(self.keys, digest_of(cookie), fields, self.session_idle_s))
        return cookie

    async def sign_out(self, session: Principal) -> None:
        """End a session."""
        await self.store.run(sessions.end(self.keys, session.digest))

    async def may_read(self, principal: Principal, task_id: str) -> bool:
        """Tell whether a key submitted a task; a task that is not there is nobody's secret."""
        there, owner = await self.store.run(api_keys.owner(self.keys, task_id))
        return not there or owner == principal.key_id
