"""OpenTelemetry traces: the request, the message it sends, every attempt of the task.

    POST /api/tasks  →  send default  →  process reverse_text  (each attempt; it links to the one before)

The trace travels as a W3C traceparent in the message and in the record, from which a message may be sent
again. bootstrap.py imports this module only when CALLBOARD_TRACES is on: OpenTelemetry is an optional extra,
and costs nothing when it is off. The SDK reads the standard OTEL_* variables itself.

Attributes follow the semantic conventions for HTTP and messaging; never parameters, results or messages of
errors.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callboard import __version__, logs
from callboard.tasks.record import TaskRecord

#: Seconds for the last spans when a process stops, and for one request to the collector.
FLUSH_S: Final = 2.0
EXPORT_S: Final = 5.0

_propagator: Final = TraceContextTextMapPropagator()


class Request:
    """The span of one HTTP request, current until `end`."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token = context.attach(trace.set_span_in_context(span))
        logs.bind(trace_id=_trace_id(span))

    def end(self, method: str, route: str | None, status: int, request_id: str) -> None:
        """End it with what is known now."""
        self._span.update_name(f"{method} {route}" if route else method)
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attribute("callboard.request_id", request_id)
        if route:
            self._span.set_attribute("http.route", route)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        context.detach(self._token)


class Traces:
    """Makes the spans of one process."""

    def __init__(self, service_name: str, exporter: SpanExporter) -> None:
        found = (
            Resource.create()
        )  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES; the sampler is OTEL_TRACES_SAMPLER
        if str(found.attributes["service.name"]).startswith("unknown_service"):
            found = found.merge(Resource({"service.name": service_name}))
        resource = Resource({"service.version": __version__}).merge(found)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("callboard", __version__)

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Request:
        """Begin the span of a request, a child of the caller's if it sent a traceparent."""
        return Request(
            self._tracer.start_span(
                method,
                context=_propagator.extract(headers, context=context.Context()),
                kind=SpanKind.SERVER,
                attributes={"http.request.method": method, "url.path": path},
            )
        )

    @contextmanager
    def sending(self, record: TaskRecord) -> Iterator[None]:
        """Trace a task's way into Redis and RabbitMQ; its record carries the span from here on."""
        attributes = {
            **_messaging(record.queue, record.task_id, "send"),
            "callboard.task_type": record.task_type,
        }
        with self._tracer.start_as_current_span(
            f"send {record.queue}", kind=SpanKind.PRODUCER, attributes=attributes, record_exception=False
        ):
            record.traceparent = self.current()
            yield

    @contextmanager
    def attempt(
        self, task_type: str, queue: str, task_id: str, attempt: int, traceparent: str, before: str
    ) -> Iterator[None]:
        """Trace one attempt: a child of what sent the task, linked to the attempt before it."""
        links = [Link(span.get_span_context())] if (span := _span_of(before)) else []
        with self._tracer.start_as_current_span(
            f"process {task_type}",
            context=_context_of(traceparent),
            kind=SpanKind.CONSUMER,
            links=links,
            attributes={
                **_messaging(queue, task_id, "process"),
                "callboard.task_type": task_type,
                "callboard.attempt": attempt,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            logs.bind(trace_id=_trace_id(made))
            yield

    def current(self) -> str:
        """Return the current span as a W3C traceparent, "" for none."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def ended(self, outcome: str, error: str) -> None:
        """Say of the current attempt how it ended."""
        span = trace.get_current_span()
        span.set_attribute("callboard.outcome", outcome)
        if error:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))

    def close(self) -> None:
        """Send what is left; a collector that does not answer is not waited for."""
        self._provider.force_flush(int(FLUSH_S * 1000))
        self._provider.shutdown()


def to_collector(service_name: str, endpoint: str) -> Traces:
    """Return traces that go to an OTLP collector over HTTP; "" for the one that OTEL_* names."""
    address = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    return Traces(service_name, OTLPSpanExporter(endpoint=address, timeout=EXPORT_S))


def _messaging(queue: str, task_id: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.message.id": task_id,
    }


def _context_of(traceparent: str) -> context.Context:
    return _propagator.extract({"traceparent": traceparent}, context=context.Context())


def _span_of(traceparent: str) -> Span | None:
    span = trace.get_current_span(_context_of(traceparent))
    return span if span.get_span_context().is_valid else None


def _trace_id(span: Span) -> str:
    return trace.format_trace_id(span.get_span_context().trace_id)
