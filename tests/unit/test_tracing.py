"""Spans in memory: who is whose parent, what links to what, and what a span must not hold."""

from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callboard.tasks import message
from callboard.tasks.record import TaskRecord, new_fields
from callboard.tasks.states import Priority, State
from callboard.tracing import Traces

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(memory: InMemorySpanExporter) -> Iterator[Traces]:
    made = Traces("test", memory)
    yield made
    made.close()


def finished(traces: Traces, memory: InMemorySpanExporter) -> list[ReadableSpan]:
    """Return the spans that have ended, in order of their beginnings."""
    assert traces._provider.force_flush()
    return sorted(memory.get_finished_spans(), key=lambda span: span.start_time or 0)


def record() -> TaskRecord:
    return TaskRecord(
        task_id="01a203c7-aaed-7560-ab3e-e3057570e05b", task_type="echo", status=State.QUEUED,
        priority=Priority.NORMAL, queue="default", parameters=msgspec.Raw(b'{"value":"hunter2"}'),
        max_retries=3, time_limit_ms=1000, created_at=1,
    )  # fmt: skip


def test_request_message_and_attempts_are_one_trace(traces: Traces, memory: InMemorySpanExporter) -> None:
    task = record()
    request = traces.request("POST", "/api/tasks", {"traceparent": CALLER})
    with traces.sending(task):
        pass
    request.end("POST", "/api/tasks", 202, "r1")
    sent = message.of_record(task)
    assert ("traceparent", task.traceparent) == tuple(new_fields(task)[-2:])
    with traces.attempt("echo", "default", task.task_id, 1, sent.options.traceparent, ""):
        first = traces.current()
        traces.ended("retrying", "ValueError")
    with traces.attempt("echo", "default", task.task_id, 2, sent.options.traceparent, first):
        traces.ended("succeeded", "")
    post, send, one, two = finished(traces, memory)
    assert {span.context.trace_id for span in (post, send, one, two) if span.context} == {
        int(CALLER.split("-")[1], 16)
    }
    assert [span.parent and span.parent.span_id for span in (post, send, one, two)] == [
        int(CALLER.split("-")[2], 16),
        post.context and post.context.span_id,
        send.context and send.context.span_id,
        send.context and send.context.span_id,
    ]
    assert not one.links
    assert [link.context.span_id for link in two.links] == [one.context and one.context.span_id]
    assert [span.name for span in (post, send, one, two)] == [
        "POST /api/tasks", "send default", "process echo", "process echo",
    ]  # fmt: skip
    assert [span.status.is_ok for span in (post, one, two)] == [True, False, True]
    assert one.attributes is not None
    assert one.attributes["error.type"] == "ValueError"
    assert "hunter2" not in str([span.to_json() for span in (post, send, one, two)])


@pytest.mark.parametrize("junk", ["", "00-0-0-00", "nonsense", CALLER.upper() + "x"])
def test_a_traceparent_that_is_none_begins_a_trace_of_our_own(
    traces: Traces, memory: InMemorySpanExporter, junk: str
) -> None:
    traces.request("GET", "/x", {"traceparent": junk}).end("GET", None, 404, "r1")
    (span,) = finished(traces, memory)
    assert span.parent is None
    assert span.name == "GET"


def test_when_traces_are_off_nothing_travels() -> None:
    task = record()
    assert b"trace" not in message.encode(message.of_record(task))
    assert "traceparent" not in new_fields(task)
