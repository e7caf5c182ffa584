"""Who asks: a key, a browser's session, or anybody where authentication is off."""

from dataclasses import dataclass
from typing import Final

from callboard.access.limits import Rate, parse_rate
from callboard.access.roles import Role
from callboard.tasks.times import now_ms


@dataclass(slots=True, eq=False, weakref_slot=True, kw_only=True)
class Principal:
    """One key or session that was found to be good; alive as long as somebody uses it."""

    #: `key`, `session` or `nobody`.
    kind: str
    #: Of the key or the cookie; "" where there is none.
    digest: str
    key_id: str
    name: str
    role: Role
    rate: Rate | None = None
    #: Tasks per day.
    quota: int | None = None
    #: When it ends by itself, in milliseconds since the epoch.
    ends_at: int | None = None
    #: What a session's changes have to carry as X-CSRF-Token.
    csrf: str = ""
    #: It was revoked, signed out, or its time is over.
    ended: bool = False

    @property
    def limited(self) -> bool:
        """Tell whether its requests are counted."""
        return self.rate is not None or self.quota is not None

    def over(self) -> bool:
        """Tell whether it may not be used any more."""
        if self.ends_at is not None and not self.ended:
            self.ended = now_ms() >= self.ends_at
        return self.ended


def of_key(digest: str, key_id: str, fields: dict[str, str]) -> Principal:
    """Return the principal of a stored key."""
    return Principal(
        kind="key", digest=digest, key_id=key_id, name=fields["name"], role=Role(fields["role"]),
        rate=parse_rate(fields["rate"]) if fields.get("rate") else None,
        quota=int(fields["quota"]) if fields.get("quota") else None,
        ends_at=int(fields["expires_at"]) if fields.get("expires_at") else None,
    )  # fmt: skip


def nobody() -> Principal:
    """Return who asks where authentication is off: whoever reaches the port may do everything."""
    return Principal(kind="nobody", digest="", key_id="", name=LOOPBACK, role=Role.ADMIN)


#: The actor's name in the audit trail where authentication is off, and of those who are not signed in.
LOOPBACK: Final = "loopback"
ANONYMOUS: Final = "anonymous"
