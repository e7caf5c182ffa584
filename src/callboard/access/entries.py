"""Keys as they are made, listed and shown; pure. The command and the API both use it."""

from dataclasses import dataclass
from typing import Any

import msgspec

from callboard.access.limits import Rate
from callboard.access.roles import Role
from callboard.access.secret import GivenKey, digest_of, id_of, new_key
from callboard.tasks.times import to_rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is made now; `secret` is shown once and kept nowhere. Times in ms since the epoch."""

    secret: str
    name: str
    role: Role
    created_at: int
    rate: Rate | None = None
    quota: int | None = None
    expires_at: int | None = None

    @property
    def key_id(self) -> str:
        """Return its public name."""
        return id_of(digest_of(self.secret))

    def fields(self) -> dict[str, str]:
        """Return what is kept of it."""
        found = {
            "digest": digest_of(self.secret), "name": self.name, "role": self.role.value,
            "created_at": str(self.created_at), "rate": str(self.rate or ""), "quota": str(self.quota or ""),
            "expires_at": "" if self.expires_at is None else str(self.expires_at),
        }  # fmt: skip
        return {name: text for name, text in found.items() if text}


def make(
    name: str, role: Role, now_ms: int, *, rate: Rate | None = None, quota: int | None = None,
    expires_at: int | None = None,
) -> NewKey:  # fmt: skip
    """Return a fresh key."""
    return NewKey(
        secret=new_key(), name=name, role=role, created_at=now_ms, rate=rate, quota=quota,
        expires_at=expires_at,
    )  # fmt: skip


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is listed; times as RFC 3339."""

    id: str
    name: str
    role: str
    created_at: str | None = None
    #: To the minute.
    last_used: str | None = None
    expires_at: str | None = None
    rate: str | None = None
    quota: int | None = None
    #: `stored`, or `settings` for one of CALLBOARD_API_KEYS.
    source: str = "stored"


def of_fields(key_id: str, fields: dict[str, str]) -> KeyEntry:
    """Return a stored key as it is listed."""

    def time(name: str) -> str | None:
        return to_rfc3339(int(fields[name])) if name in fields else None

    return KeyEntry(
        id=key_id, name=fields["name"], role=fields["role"], created_at=time("created_at"),
        last_used=time("last_used"), expires_at=time("expires_at"), rate=fields.get("rate"),
        quota=int(fields["quota"]) if "quota" in fields else None,
    )  # fmt: skip


def of_given(given: GivenKey) -> KeyEntry:
    """Return a key of the settings as it is listed."""
    return KeyEntry(id=id_of(given.digest), name=given.name, role=given.role.value, source="settings")


def of_new(made: NewKey) -> KeyEntry:
    """Return a key that was just made as it is listed."""
    return of_fields(made.key_id, made.fields())


def view(entry: KeyEntry) -> dict[str, Any]:
    """Return it as the API shows it."""
    found: dict[str, Any] = msgspec.to_builtins(entry)
    return found
