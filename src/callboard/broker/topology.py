"""What must exist in RabbitMQ and where a message goes. Pure; worker and web share it.

One durable queue per task family and one dead-letter queue each, and the delay ladder: level k
holds a message 2^k units and hands it down to level k-1; the binary digits of the delay are the
routing key, so a message rests only on the levels whose digit is 1, and a near delay never waits
behind a far one. The ladder survives restarts and needs no process of ours. The scheme is the one
known from NServiceBus and Celery 5.5's native delayed delivery.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from callboard.tasks.states import MAX_LEVEL

#: Milliseconds of the ladder's lowest step; a delay is rounded up to it.
UNIT_MS: Final = 100
#: 28 levels of 100 ms reach 310 days; a longer delay takes another lap (`Options.due_ms`).
LEVELS: Final = 28
LONGEST_MS: Final = UNIT_MS * (2**LEVELS - 1)
#: Deliveries of one message of a quorum queue. RabbitMQ 4 stops at 20 by itself, and counts what a stopping
#: worker, a pause or a lost connection gives back; poison is the claim's business. No number means no limit
#: to RabbitMQ 3 alone.
DELIVERIES_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable topic exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue with its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding from an exchange to a queue or to another exchange."""

    source: str
    destination: str
    routing_key: str
    to_exchange: bool = False


Declaration = Exchange | Queue | Binding


@dataclass(frozen=True, slots=True)
class Topology:
    """The names and declarations of one installation."""

    namespace: str = ""
    #: `classic`: three priority levels; `quorum`: replicated, RabbitMQ's own two levels.
    queue_type: str = "classic"

    def _name(self, name: str) -> str:
        return f"{self.namespace}.{name}" if self.namespace else name

    def work_queue(self, queue: str) -> str:
        """Return the RabbitMQ name of a task queue."""
        return self._name(queue)

    def dead_queue(self, queue: str) -> str:
        """Return the RabbitMQ name of a task queue's dead letters."""
        return self._name(f"{queue}.XQ")

    def _step(self, level: int) -> str:
        return self._name(f"delay.{level:02d}")

    @property
    def _landing(self) -> str:
        return self._name("delay.landing")

    @property
    def marker(self) -> Queue:
        """Return the queue whose one message says that this RabbitMQ still has its data."""
        arguments: dict[str, Any] = {"x-max-length": 1}
        if self.queue_type == "quorum":
            arguments["x-queue-type"] = "quorum"
        return Queue(self._name("epoch.marker"), arguments)

    def declarations(self, queues: Iterable[str]) -> list[Declaration]:
        """Return everything to declare for these task queues, in an order that works."""
        names = list(queues)
        return [self.marker, *self._ladder(), *(each for name in names for each in self._family(name))]

    def _family(self, queue: str) -> list[Declaration]:
        arguments: dict[str, Any] = {
            # Only for what other programs reject; ours bury a message by a confirmed publish.
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead_queue(queue),
        }
        if self.queue_type == "quorum":
            arguments |= {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES_MOST}
        else:
            arguments["x-max-priority"] = MAX_LEVEL
        dead = {"x-queue-type": "quorum"} if self.queue_type == "quorum" else {}
        return [
            Queue(self.dead_queue(queue), dead),
            Queue(self.work_queue(queue), arguments),
            Binding(self._landing, self.work_queue(queue), "*." * LEVELS + self.work_queue(queue)),
        ]

    def _ladder(self) -> list[Declaration]:
        steps: list[Declaration] = [Exchange(self._landing)]
        for level in range(LEVELS):
            below = self._step(level - 1) if level else self._landing
            digits_before = "*." * (LEVELS - 1 - level)
            steps += [
                Exchange(self._step(level)),
                Queue(
                    self._step(level),
                    {
                        # Classic queues lost messages here when RabbitMQ was killed: their
                        # dead-lettering is not confirmed (engine.md §2).
                        "x-queue-type": "quorum",
                        "x-dead-letter-strategy": "at-least-once",
                        "x-overflow": "reject-publish",
                        "x-dead-letter-exchange": below,
                        "x-message-ttl": UNIT_MS * 2**level,
                    },
                ),
                Binding(self._step(level), self._step(level), f"{digits_before}1.#"),
                Binding(self._step(level), below, f"{digits_before}0.#", to_exchange=True),
            ]
        return steps

    def route(self, queue: str, delay_ms: int = 0) -> tuple[str, str]:
        """Return the exchange and routing key that bring a message to `queue` after `delay_ms`.

        The delay is rounded up to whole units and cut at LONGEST_MS.
        """
        units = min(-(-max(delay_ms, 0) // UNIT_MS), 2**LEVELS - 1)
        if units == 0:
            return "", self.work_queue(queue)
        digits = ".".join(f"{units:0{LEVELS}b}")
        return self._step(units.bit_length() - 1), f"{digits}.{self.work_queue(queue)}"

    def dead_route(self, queue: str) -> tuple[str, str]:
        """Return the exchange and routing key of the queue's dead letters."""
        return "", self.dead_queue(queue)


def conflict_advice(reply: str) -> str:
    """Return what to tell the operator when RabbitMQ refuses a declaration (406)."""
    return (
        f"RabbitMQ refuses a declaration: {reply[:300]}. The queue exists with other arguments "
        "(another CALLBOARD_QUEUE_TYPE, or another program's). Drain and delete that queue, or set "
        "CALLBOARD_NAMESPACE to start beside it."
    )
