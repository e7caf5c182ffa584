"""The address of a Redis that Sentinels watch, e.g. `redis+sentinel://user:password@h1:26379,h2/0?name=callboard`.

User and password are those of Redis; `sentinel_user` and `sentinel_password` are for Sentinels that want
theirs. `rediss+sentinel://` speaks TLS to both. Pure.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
SAMPLE: Final = "redis+sentinel://:password@host1:26379,host2:26379,host3:26379/0?name=callboard"
DEFAULT_PORT: Final = 26_379
_QUERY: Final = {"name", "sentinel_user", "sentinel_password"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelAddress:
    """Where the Sentinels are, and what they call the Redis they watch."""

    sentinels: tuple[tuple[str, int], ...]
    name: str
    database: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


def is_sentinel(url: str) -> bool:
    """Tell whether a URL names Sentinels."""
    return url.partition("://")[0] in SCHEMES


def checked(url: str) -> str:
    """Return the URL as it is; raises ValueError as `parse` does."""
    parse(url)
    return url


def parse(url: str) -> SentinelAddress:
    """Return the parts of such a URL; raises ValueError, whose text holds nothing secret."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    query = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(query) - _QUERY):
        raise ValueError(f"knows {', '.join(sorted(_QUERY))} after the ?, not {unknown[0]}; e.g. {SAMPLE}")

    def asked(name: str) -> str | None:
        return query.get(name, [""])[-1] or None

    if not (name := asked("name")):
        raise ValueError(f"lacks ?name=, what the Sentinels call the Redis they watch; e.g. {SAMPLE}")
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"ends with a database that is no number; e.g. {SAMPLE}")
    return SentinelAddress(
        sentinels=tuple(_host(text) for text in hosts.split(",")),
        name=name,
        database=int(database or 0),
        tls=parts.scheme.startswith("rediss"),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=asked("sentinel_user"),
        sentinel_password=asked("sentinel_password"),
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text.strip()}")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        raise ValueError(f"has a Sentinel that is no host:port; e.g. {SAMPLE}")
    return parts.hostname, port
