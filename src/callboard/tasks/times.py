"""Times: integers of milliseconds since the epoch inside, RFC 3339 UTC with milliseconds outside."""

import re
import time
from datetime import UTC, datetime
from typing import Final

#: The years 1 to 9999: what RFC 3339 can write.
FIRST_MS: Final = -62_135_596_800_000
LAST_MS: Final = 253_402_300_799_999

_SHAPE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}")


def now_ms() -> int:
    """Return the wall clock in milliseconds; passed around as the injected clock."""
    return time.time_ns() // 1_000_000


def to_rfc3339(at_ms: int | None) -> str | None:
    """Return `2026-01-31T12:00:00.000Z`, or None for None."""
    if at_ms is None:
        return None
    seconds, ms = divmod(at_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{ms:03d}Z"


def from_rfc3339(text: str) -> int:
    """Return milliseconds since the epoch of an RFC 3339 time.

    Raises ValueError with a sentence for the client when the text is no time or has no offset.
    """
    try:
        if not _SHAPE.match(text):  # fromisoformat reads all of ISO 8601: weeks, no separators
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not a time; write it as 2026-01-31T12:00:00Z (RFC 3339)") from None
    if moment.tzinfo is None:
        raise ValueError("the time has no offset; end it with Z or +02:00")
    try:
        at_ms = round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        at_ms = LAST_MS + 1
    if not FIRST_MS <= at_ms <= LAST_MS:
        raise ValueError("the time is out of range")
    return at_ms
