"""Turns what Redis and the settings know into principals; shared by the keyring and the gate. No I/O."""

import hmac
from collections.abc import Iterable, Iterator

from callboard.access.principal import Principal, of_key
from callboard.access.secret import GivenKey, id_of

Fields = dict[str, str]


class Given:
    """The keys of CALLBOARD_API_KEYS, which need no Redis."""

    def __init__(self, keys: Iterable[GivenKey]) -> None:
        self._keys = {each.digest: each for each in keys}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._keys)

    def __iter__(self) -> Iterator[GivenKey]:
        return iter(self._keys.values())

    def key(self, digest: str) -> Principal | None:
        """Return the principal of a key, if it is one of these."""
        found = self._keys.get(digest)
        if found is None:
            return None
        return Principal(kind="key", digest=digest, key_id=id_of(digest), name=found.name, role=found.role)


def stored_key(digest: str, fields: Fields) -> Principal | None:
    """Return the principal of a key as Redis has it under the id of `digest`."""
    if not fields or not hmac.compare_digest(fields.get("digest", ""), digest):
        return None
    found = of_key(digest, id_of(digest), fields)
    return None if found.over() else found


def session(given: Given, digest: str, fields: Fields, key_fields: Fields) -> Principal | None:
    """Return the principal of a session; its key has to be good still."""
    if not fields:
        return None
    key_digest = fields["key_digest"]
    found = given.key(key_digest) or stored_key(key_digest, key_fields)
    if found is None:
        return None
    ends_at = int(fields["ends_at"])
    found.kind, found.digest, found.csrf = "session", digest, fields["csrf"]
    found.ends_at = ends_at if found.ends_at is None else min(ends_at, found.ends_at)
    return None if found.over() else found
