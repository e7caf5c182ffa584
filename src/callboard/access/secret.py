"""API keys as texts: how they are made, and what is kept of them instead. Pure but for chance.

A key is `cb_` and 32 random bytes. Nobody can guess it, so one round of SHA-256 is enough to keep it by
(a slow hash protects what people make up), and a request costs microseconds.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from callboard.access.roles import Role

#: What every key begins with, so that scanners of repositories and logs can know one.
KEY_PREFIX: Final = "cb_"
#: Characters of a key that was not made here.
GIVEN_LEAST: Final = 20
#: What a header can carry and a person can copy.
_KEY: Final = re.compile(r"[!-+\--~]{1,256}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def new_key() -> str:
    """Return a fresh key: 46 characters of letters, digits, - and _."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return what is kept of a key or a session's cookie: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(digest: str) -> str:
    """Return a key's public name: the beginning of its digest, 16 digits."""
    return digest[:16]


def check_name(name: str) -> str:
    """Return the name of a key; raises ValueError with what it may hold."""
    if not _NAME.fullmatch(name):
        raise ValueError("takes 1 to 64 letters, digits and . _ @ -, a letter or digit first; e.g. billing")
    return name


def role_named(text: str) -> Role:
    """Return the role of that name; raises ValueError naming all of them."""
    try:
        return Role(text.lower())
    except ValueError:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(Role)}") from None


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key of CALLBOARD_API_KEYS; only its digest is kept."""

    name: str
    role: Role
    digest: str


def parse_given(text: str) -> tuple[GivenKey, ...]:
    """Return the keys of `name:role:key,name:role:key`; raises ValueError that repeats no key."""
    found: list[GivenKey] = []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        pieces = part.split(":", 2)
        if len(pieces) != 3:
            raise ValueError(f"entry {number} is no name:role:key; e.g. ops:admin:cb_…")
        name, role, key = (piece.strip() for piece in pieces)
        try:
            check_name(name)
        except ValueError as error:
            raise ValueError(f"the name of entry {number} {error}") from None
        try:
            granted = role_named(role)
        except ValueError:
            raise ValueError(f"the role of entry {number} is none of {', '.join(Role)}") from None
        if len(key) < GIVEN_LEAST or not _KEY.fullmatch(key):
            raise ValueError(
                f"the key of entry {number} takes {GIVEN_LEAST} to 256 visible ASCII characters without a "
                "comma; `openssl rand -hex 32` makes a good one"
            )
        if any(digest_of(key) == each.digest for each in found):
            raise ValueError(f"the key of entry {number} stands twice; every name needs its own")
        found.append(GivenKey(name, granted, digest_of(key)))
    return tuple(found)
