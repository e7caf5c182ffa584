"""The dramatiq actor of a task type: what `send` makes a message with, and what a delivery calls."""

import dataclasses
from typing import Any

import dramatiq

from callboard.tasks.ids import new_task_id
from callboard.tasks.registry import TaskType
from callboard.worker.execute import Executor


class _Actor(dramatiq.Actor[..., Any]):
    """An actor whose messages have ids that sort by time, as those of submitted tasks do."""

    def message_with_options(self, **options: Any) -> dramatiq.Message[Any]:
        """Return a message to send (dramatiq/actor.py); raises TypeError for arguments without a name."""
        if options.get("args"):
            raise TypeError(f"{self.actor_name} takes its parameters by name")
        return dataclasses.replace(super().message_with_options(**options), message_id=new_task_id())


def make_actor(task_type: TaskType, broker: dramatiq.Broker, executor: Executor | None) -> None:
    """Make the dramatiq actor of a task type and bind `send` to it.

    Without an executor (a process that only sends) the actor cannot run.
    """

    def actor(**parameters: Any) -> Any:
        message = dramatiq.middleware.CurrentMessage.get_current_message()
        if executor is None or message is None:
            raise RuntimeError(f"{task_type.name} runs in `callboard worker` only")
        return executor.perform(task_type, message, parameters)  # type: ignore[arg-type]

    actor.__module__ = task_type.function.__module__
    task_type.actor = dramatiq.actor(
        actor_class=_Actor,
        actor_name=task_type.name,
        queue_name=task_type.queue,
        broker=broker,
        store_results=True,
    )(actor)
