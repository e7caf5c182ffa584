"""Task ids: UUIDv7 (RFC 9562), so that their text sorts by creation time."""

import hashlib
import re
from typing import Final

import uuid_utils

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_task_id() -> str:
    """Return a fresh id, greater than every earlier one of this process."""
    return str(uuid_utils.uuid7())


def id_of(at_ms: int, what: str) -> str:
    """Return the one id of something at a time (milliseconds since the epoch): always the same one."""
    digest = hashlib.sha256(f"{what} {at_ms}".encode()).hexdigest()
    time, variant = f"{at_ms:012x}", "89ab"[int(digest[3], 16) % 4]
    return f"{time[:8]}-{time[8:]}-7{digest[:3]}-{variant}{digest[4:7]}-{digest[7:19]}"


def is_task_id(text: str) -> bool:
    """Tell whether `text` is a UUID in its canonical lower-case form."""
    return _UUID.fullmatch(text) is not None


def created_ms(task_id: str) -> int:
    """Return the creation time inside a UUIDv7, in milliseconds since the epoch."""
    return int(task_id[:8] + task_id[9:13], 16)


def first_id_at(at_ms: int) -> str:
    """Return the smallest possible id of that millisecond: the bound of a range of times."""
    digits = f"{max(0, min(at_ms, (1 << 48) - 1)):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
