"""The names under which a service that asks for no keys may be addressed. Pure.

Whoever owns a name can have it lead to 127.0.0.1 (DNS rebinding). To a browser Callboard is then that site,
whose pages may read and change everything here; but they cannot change the `Host` of their requests.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

#: Addresses to listen on that no other machine reaches.
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
#: Values of `Host` that are remembered, so that most requests cost one look into a set.
KNOWN_MOST: Final = 100

_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\[\]:@,\s]+))(?::[0-9]*)?", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)


class HostNames:
    """Knows which values of the header `Host` are ours."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset({"localhost", *names})
        #: A request without `Host` comes from no browser.
        self._known: set[str | None] = {None}

    def __len__(self) -> int:
        return len(self._known)

    def ours(self, host: str | None) -> bool:
        """Tell whether requests with this `Host` may be answered; any port will do."""
        return host in self._known or self._look(host or "")

    def _look(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match["six"] or match["name"].removesuffix(".")
        if name not in self._names:
            try:
                if not ip_address(name).is_loopback:
                    return False
            except ValueError:
                return False
        if len(self._known) < KNOWN_MOST:
            self._known.add(host)
        return True


def misdirected(host: str | None) -> str:
    """Return what is told to who asks under another name: why, and what to do."""
    return (
        f"without keys this service answers to localhost and 127.0.0.1 alone, not to {(host or '')[:100]!r}; "
        "set CALLBOARD_AUTH=required, or name a proxy that asks by itself who comes in CALLBOARD_HOST_NAMES"
    )


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names of `tasks.example.org,intern` in small letters; raises ValueError."""
    names = tuple(part.strip().lower().removesuffix(".") for part in text.split(",") if part.strip())
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no host name without scheme and port; e.g. tasks.example.org")
    return names
