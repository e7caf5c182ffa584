"""Runs a failed task again from a process without an event loop; Board.retry does it in the web process."""

import logging
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import dramatiq
from dramatiq.errors import BrokerError

from callboard.errors import Conflict, TaskNotFound, Unavailable
from callboard.store import calls
from callboard.store.keys import Keys
from callboard.store.scripts import Call
from callboard.tasks import message

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Store(Protocol):
    """Runs Calls; SyncStore does."""

    def run(self, call: Call[T]) -> T:
        """Return the decoded answer; raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Again:
    """The record first, then the message: nothing is taken away before something else is safe."""

    store: Store
    keys: Keys
    #: WorkerBroker: `enqueue` is confirmed, `connection` is this thread's.
    broker: Any

    def retry(self, task_id: str) -> bool:
        """Queue a failed or cancelled task again; tells whether its message has been confirmed.

        If not, it stands in the outbox and the web process sends it. Raises TaskNotFound, Conflict,
        Unavailable.
        """
        outcome, status = self.store.run(calls.requeue(self.keys, task_id))
        if outcome == "absent":
            raise TaskNotFound(task_id)
        if outcome == "refused":
            raise Conflict(f"only failed or cancelled tasks can be retried; this one is {status}")
        try:
            return self._send(task_id)
        except (BrokerError, Unavailable) as error:
            logger.warning("task %s is queued again and will be sent later: %s", task_id, error)
            return False

    def _send(self, task_id: str) -> bool:
        record = self.store.run(calls.read(self.keys, task_id))
        if record is None:
            return False
        try:
            self.broker.enqueue(dramatiq.Message.decode(message.encode(message.of_record(record))))
        finally:
            del self.broker.connection  # idle, it would miss RabbitMQ's heartbeats and be cut
        self.store.run(calls.settle(self.keys, [(task_id, record.version)]))
        return True
