"""What the rest of Callboard needs of traces, without OpenTelemetry: tracing.py has it, when it is wanted."""

import importlib
from contextlib import AbstractContextManager
from typing import Any, Protocol

from callboard.errors import SettingsError
from callboard.settings import Settings
from callboard.tasks.record import TaskRecord


class Traces(Protocol):
    """Makes the spans of one process."""

    def request(self, method: str, path: str, headers: dict[str, str]) -> Any:
        """Begin the span of an HTTP request; the answer's `end` ends it."""

    def sending(self, record: TaskRecord) -> AbstractContextManager[None]:
        """Trace a task's way into Redis and RabbitMQ; its record carries the span from here on."""

    def attempt(
        self, task_type: str, queue: str, task_id: str, attempt: int, traceparent: str, before: str
    ) -> AbstractContextManager[None]:
        """Trace one attempt: a child of what sent the task, linked to the attempt before it."""

    def current(self) -> str:
        """Return the current span as a W3C traceparent, "" for none."""

    def ended(self, outcome: str, error: str) -> None:
        """Say of the current attempt how it ended."""

    def close(self) -> None:
        """Send what is left."""


def traces_of(settings: Settings, service_name: str) -> Traces | None:
    """Return the traces of this process, None when they are off.

    Raises SettingsError when they are on and OpenTelemetry is not installed.
    """
    if not settings.traces:
        return None
    made: Traces = _tracing().to_collector(service_name, settings.otlp_endpoint)
    return made


def check(settings: Settings) -> None:
    """Raise SettingsError when traces are on and OpenTelemetry is not installed."""
    if settings.traces:
        _tracing()


def _tracing() -> Any:
    try:
        return importlib.import_module("callboard.tracing")
    except ImportError as error:
        raise SettingsError(
            "CALLBOARD_TRACES=on needs OpenTelemetry, which is not installed: "
            f"pip install 'callboard[otel]', or set it to off ({error})"
        ) from error
