"""Task types: `@task` puts them into a registry; nothing else happens at import.

Adding a type is adding one file to `actors/` (or to a package named in CALLBOARD_ACTORS).
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, get_type_hints

from callboard.errors import RegistrationError, UnknownTaskType
from callboard.tasks.params import Params, example, json_schema
from callboard.tasks.states import Priority

#: Seconds a task may run unless its type or its submit says otherwise; below RabbitMQ's own
#: `consumer_timeout` of 30 minutes, which would cut the worker's channel (promises.md, trap 8).
DEFAULT_TIME_LIMIT_S: Final = 600.0

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_QUEUE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Sender(Protocol):
    """The dramatiq actor that the bootstrap binds to a task type."""

    def send(self, **parameters: Any) -> Any:
        """Enqueue a message that calls the task with these parameters."""


class TaskType:
    """One kind of task: its function and everything the API says about it."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str,
        params: type[Params],
        queue: str,
        max_retries: int,
        time_limit_s: float,
        permanent: tuple[type[Exception], ...],
    ) -> None:
        self.function = function
        self.name = name
        self.params = params
        self.queue = queue
        self.max_retries = max_retries
        self.time_limit_s = time_limit_s
        #: Errors that are never retried, beside Permanent.
        self.permanent = permanent
        self.description = inspect.getdoc(function) or ""
        self.actor: Sender | None = None

    def __call__(self, params: Params) -> Any:
        """Call the function itself, in this process; a coroutine function gives a coroutine."""
        return self.function(params)

    def send(self, **parameters: Any) -> Any:
        """Enqueue this task from Python, as dramatiq's `actor.send`; returns dramatiq's Message.

        Raises RegistrationError when no bootstrap has connected the types to a broker yet.
        """
        if self.actor is None:
            raise RegistrationError(
                f"{self.name}.send needs a broker: call callboard.bootstrap.connect() first"
            )
        return self.actor.send(**parameters)

    def __repr__(self) -> str:
        return f"TaskType({self.name!r}, queue={self.queue!r})"

    def describe(self) -> dict[str, Any]:
        """Return what `GET /api/task-types` shows of it."""
        return {
            "name": self.name,
            "description": self.description,
            "queue": self.queue,
            "defaults": {
                "priority": Priority.NORMAL,
                "max_retries": self.max_retries,
                "time_limit": self.time_limit_s,
            },
            "schema": json_schema(self.params),
            "example": {"task_type": self.name, "parameters": example(self.params)},
        }


class Registry:
    """The task types by name."""

    def __init__(self) -> None:
        self._types: dict[str, TaskType] = {}

    def add(self, task_type: TaskType) -> None:
        """Add a type; raises RegistrationError when the name is taken by another function."""
        taken = self._types.get(task_type.name)
        if taken and _where(taken.function) != _where(task_type.function):
            raise RegistrationError(
                f"two task types are named {task_type.name!r}: "
                f"{_where(taken.function)} and {_where(task_type.function)}"
            )
        self._types[task_type.name] = task_type

    def get(self, name: str) -> TaskType:
        """Return the type of that name; raises UnknownTaskType."""
        try:
            return self._types[name]
        except KeyError:
            raise UnknownTaskType(name, self.names()) from None

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._types)

    def queues(self) -> list[str]:
        """Return the queues of all types, sorted."""
        return sorted({each.queue for each in self._types.values()})

    def types_by_queue(self) -> dict[str, list[str]]:
        """Return the names of the types that wait in each queue."""
        found: dict[str, list[str]] = {name: [] for name in self.queues()}
        for each in self:
            found[each.queue].append(each.name)
        return found

    def __iter__(self) -> Iterator[TaskType]:
        return iter([self._types[name] for name in self.names()])

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def only(self, modules: Iterable[str]) -> "Registry":
        """Return a registry of the types whose function lives in one of these modules or packages."""
        chosen = Registry()
        roots = tuple(modules)
        for each in self:
            home = each.function.__module__
            if any(home == root or home.startswith(root + ".") for root in roots):
                chosen.add(each)
        return chosen


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


#: What `@task` has seen; the bootstrap takes from it the types of CALLBOARD_ACTORS.
DECLARED: Final = Registry()


def task(
    name: str,
    *,
    queue: str = "default",
    max_retries: int = 3,
    time_limit: float = DEFAULT_TIME_LIMIT_S,
    permanent: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[[Any], Any]], TaskType]:
    """Declare a task type.

    Args:
        name: what clients write in `task_type`; lower-case letters, digits, underscores.
        queue: the queue its tasks wait in; workers can be told to serve only some.
        max_retries: attempts after the first one, unless the submit says otherwise.
        time_limit: seconds one attempt may run.
        permanent: errors that are never retried.

    The decorated function takes one argument annotated with its Params class and returns
    anything JSON can hold; it may be `async`. Its docstring is the description clients read.
    Raises RegistrationError when the declaration cannot work.
    """

    def declare(function: Callable[[Any], Any]) -> TaskType:
        where = _where(function)
        if not _NAME.fullmatch(name):
            raise RegistrationError(f"{where}: task name {name!r} must match {_NAME.pattern}")
        if not _QUEUE.fullmatch(queue):
            raise RegistrationError(f"{where}: queue {queue!r} must match {_QUEUE.pattern}")
        if max_retries < 0 or not time_limit > 0:
            raise RegistrationError(f"{where}: max_retries must be ≥ 0 and time_limit > 0 seconds")
        declared = TaskType(
            function,
            name=name,
            params=_params_of(function),
            queue=queue,
            max_retries=max_retries,
            time_limit_s=float(time_limit),
            permanent=permanent,
        )
        DECLARED.add(declared)
        return declared

    return declare


def _params_of(function: Callable[[Any], Any]) -> type[Params]:
    arguments = list(inspect.signature(function).parameters.values())
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise RegistrationError(
            f"{_where(function)}: {error}; annotate a task with its Params class and import it at run time"
        ) from error
    params = hints.get(arguments[0].name) if len(arguments) == 1 else None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not (isinstance(params, type) and issubclass(params, Params) and arguments[0].kind in kinds):
        raise RegistrationError(
            f"{_where(function)}: a task takes exactly one argument, annotated with its Params class"
        )
    return params


def load(modules: Iterable[str]) -> Registry:
    """Import the modules (and all modules of packages) and return the types they declare.

    Raises RegistrationError when a module cannot be imported or declares nothing.
    """
    roots = list(modules)
    for root in roots:
        try:
            module = importlib.import_module(root)
            for found in pkgutil.walk_packages(getattr(module, "__path__", []), root + "."):
                importlib.import_module(found.name)
        except ImportError as error:
            raise RegistrationError(f"CALLBOARD_ACTORS: cannot import {root!r}: {error}") from error
    registry = DECLARED.only(roots)
    if not registry.names():
        raise RegistrationError(f"CALLBOARD_ACTORS: no task type is declared in {', '.join(roots)}")
    return registry
