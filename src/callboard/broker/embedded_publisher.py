"""The publisher of embedded mode: hands messages to the broker of the same process."""

from dramatiq.errors import QueueNotFound

from callboard.broker.embedded import EmbeddedBroker
from callboard.errors import Unavailable


class EmbeddedPublisher:
    """Publishes into an EmbeddedBroker, which is always there."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker

    async def publish(self, queue: str, body: bytes, level: int, message_id: str, delay_ms: int = 0) -> None:
        """Put one message into its queue (see Publisher.publish).

        Raises Unavailable when there is no such queue.
        """
        try:
            self._broker.publish(queue, body, level, delay_ms)
        except QueueNotFound as error:
            raise Unavailable(f"there is no queue {queue!r}") from error

    def problem(self) -> str | None:
        """Return None: there is no connection that could fail."""
        return None

    def blocked(self) -> str | None:
        """Return None: nobody raises an alarm."""
        return None

    async def probe(self) -> None:
        """Do nothing: nobody could refuse."""

    def unmarked(self) -> None:
        """Return None: broker and records live and die together."""
        return

    def fresh(self) -> bool:
        """Return False: nothing can have been away."""
        return False

    def start(self) -> None:
        """Do nothing: there is nothing to connect."""

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""
