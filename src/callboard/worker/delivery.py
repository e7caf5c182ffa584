"""One delivery of one message, with what its task type says where the message is silent."""

from dataclasses import dataclass
from typing import Any

import msgspec
from dramatiq.broker import MessageProxy

from callboard.tasks.message import Envelope, Options, priority_of
from callboard.tasks.registry import TaskType
from callboard.tasks.states import Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was handed to this process."""

    task_type: TaskType
    message: MessageProxy
    options: Options
    parameters: dict[str, Any]

    @property
    def task_id(self) -> str:
        """The task's id, which is its message's."""
        return str(self.message.message_id)

    @property
    def limit_s(self) -> float:
        """Seconds one attempt may run."""
        limit_ms = self.options.time_limit
        return self.task_type.time_limit_s if limit_ms is None else limit_ms / 1000

    @property
    def max_retries(self) -> int:
        """Attempts after the first."""
        retries = self.options.max_retries
        return self.task_type.max_retries if retries is None else retries

    @property
    def priority(self) -> Priority:
        """The priority it was submitted with."""
        return priority_of(self.options.broker_priority)

    def envelope(self) -> Envelope:
        """Return the message in the form from which a record can be rebuilt."""
        return Envelope(
            queue_name=self.message.queue_name,
            actor_name=self.message.actor_name,
            kwargs=msgspec.Raw(msgspec.json.encode(self.parameters)),
            options=self.options,
            message_id=self.task_id,
            message_timestamp=self.message.message_timestamp,
        )
