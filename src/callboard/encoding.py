"""dramatiq's message encoder by msgspec: the same JSON, several times faster."""

from typing import Any

import msgspec
from dramatiq.encoder import Encoder


class MsgspecEncoder(Encoder):
    """Set by the bootstrap; a worker with dramatiq's own JSONEncoder reads the same messages."""

    def encode(self, data: dict[str, Any]) -> bytes:
        """Return the JSON of a message's fields."""
        return msgspec.json.encode(data)

    def decode(self, data: bytes) -> dict[str, Any]:
        """Return a message's fields."""
        found: dict[str, Any] = msgspec.json.decode(data)
        return found
