"""Every error Callboard raises on purpose, under one root, each with a code that never changes.

The HTTP status of a code is decided in web/problems.py and nowhere else.
"""

from dataclasses import dataclass
from typing import ClassVar


class CallboardError(Exception):
    """The root. `str(error)` is a sentence for the person who has to act on it."""

    code: ClassVar[str] = "internal"


class SettingsError(CallboardError):
    """A setting has a value that cannot be used."""

    code = "settings"


class RegistrationError(CallboardError):
    """A task type is declared in a way that cannot work."""

    code = "registration"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field: `pointer` is a JSON pointer (RFC 6901) into the body."""

    pointer: str
    detail: str


class ValidationFailed(CallboardError):
    """The request was understood but a field's value is not acceptable."""

    code = "validation"

    def __init__(self, problems: list[FieldProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.detail}" for p in problems))

    def below(self, prefix: str) -> "ValidationFailed":
        """Return itself with every pointer below `prefix`, for a body that is part of another one."""
        moved = [FieldProblem(prefix + each.pointer, each.detail) for each in self.problems]
        ValidationFailed.__init__(self, moved)
        return self


class UnknownTaskType(ValidationFailed):
    """No task type of that name is registered here."""

    code = "unknown-task-type"

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        detail = f"no task type {name[:100]!r}; known types: {', '.join(known) or 'none'}"
        super().__init__([FieldProblem("/task_type", detail)])


class TaskNotFound(CallboardError):
    """No task has this id, or its record has expired."""

    code = "not-found"

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"no task has the id {task_id}; finished tasks are kept for a limited time")


class OperationNotFound(CallboardError):
    """No operation on many tasks has this id, or its record has expired."""

    code = "not-found"

    def __init__(self, operation_id: str) -> None:
        self.operation_id = operation_id
        super().__init__(f"no operation has the id {operation_id}; they are kept for 24 hours")


class QueueNotFound(CallboardError):
    """No task type uses a queue of this name."""

    code = "not-found"

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(f"no task type uses a queue {name[:100]!r}; known queues: {', '.join(known)}")


class ScheduleNotFound(CallboardError):
    """No schedule has this id."""

    code = "not-found"

    def __init__(self, schedule_id: str) -> None:
        self.schedule_id = schedule_id
        super().__init__(f"no schedule has the id {schedule_id}")


class Changed(CallboardError):
    """It has been changed by somebody else since it was read (RFC 9110, section 13.1.1: 412)."""

    code = "precondition-failed"


class Conflict(CallboardError):
    """The task (or key) is in a state that does not allow this."""

    code = "conflict"


class IdempotencyMismatch(CallboardError):
    """The Idempotency-Key was used before with another body (IETF httpapi draft: 422)."""

    code = "idempotency-mismatch"


class Unavailable(CallboardError):
    """RabbitMQ or Redis cannot do its part now. `task_id` is set when the task may still run,
    `nothing_done` when it is certain that what was asked has not happened and never will.
    """

    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        task_id: str | None = None,
        retry_after_s: int = 2,
        nothing_done: bool = False,
    ) -> None:
        self.task_id = task_id
        self.nothing_done = nothing_done
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ResultTooLarge(CallboardError):
    """A task returned more than the result limit; it fails permanently with this error."""

    code = "result-too-large"
