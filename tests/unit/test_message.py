"""The contract with dramatiq: our bytes are its messages, and its messages are ours."""

from typing import Any

import dramatiq
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.tasks.ids import new_task_id
from callboard.tasks.message import Envelope, Options, encode, of_record, options_of, priority_of
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import Priority, State

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(WORDS, JSON, max_size=4)
OPTIONS = st.builds(
    Options,
    broker_priority=st.integers(0, 2),
    max_retries=st.none() | st.integers(0, 100),
    time_limit=st.none() | st.integers(1, 10**9),
    attempt=st.integers(0, 1_000),
    due_ms=st.none() | st.integers(0, 2**48),
    passed_on=st.integers(0, 100),
    tags=st.lists(WORDS, max_size=3).map(tuple),
)


def envelope(parameters: dict[str, Any], options: Options) -> Envelope:
    return Envelope(
        queue_name="default",
        actor_name="reverse_text",
        kwargs=msgspec.Raw(msgspec.json.encode(parameters)),
        options=options,
        message_id=new_task_id(),
        message_timestamp=1_769_860_800_000,
    )


@given(PARAMETERS, OPTIONS)
def test_dramatiq_reads_our_message_as_its_own(parameters: dict[str, Any], options: Options) -> None:
    ours = envelope(parameters, options)
    theirs = dramatiq.Message.decode(encode(ours))
    assert theirs == dramatiq.Message(
        queue_name=ours.queue_name,
        actor_name=ours.actor_name,
        args=(),
        kwargs=parameters,
        options=theirs.options,
        message_id=ours.message_id,
        message_timestamp=ours.message_timestamp,
    )
    assert options_of(theirs.options) == options


@given(PARAMETERS, OPTIONS)
def test_we_read_what_dramatiq_writes(parameters: dict[str, Any], options: Options) -> None:
    ours = envelope(parameters, options)
    theirs = dramatiq.Message.decode(encode(ours)).encode()
    read = msgspec.json.decode(theirs, type=Envelope)
    assert msgspec.structs.replace(read, kwargs=b"") == msgspec.structs.replace(ours, kwargs=b"")
    assert msgspec.json.decode(read.kwargs) == parameters


def test_a_message_sent_by_a_plain_dramatiq_actor_has_our_defaults() -> None:
    plain: dramatiq.Message[Any] = dramatiq.Message(
        queue_name="default", actor_name="reverse_text", args=(), kwargs={"text": "a"}, options={}
    )
    read = msgspec.json.decode(plain.encode(), type=Envelope)
    assert read.options == Options()
    assert read.kwargs == msgspec.Raw(b'{"text":"a"}')


def test_the_message_has_exactly_dramatiqs_fields() -> None:
    ours = msgspec.json.decode(encode(envelope({}, Options())))
    theirs = dramatiq.Message("q", "a", (), {}, {}, "id", 1).asdict()
    assert set(ours) == set(theirs)


def test_options_at_their_defaults_do_not_travel() -> None:
    assert msgspec.json.decode(encode(envelope({}, Options())))["options"] == {}


def test_options_of_others_are_ignored() -> None:
    raw = {"broker_priority": 2, "redis_message_id": "x", "pipe_ignore": True, "x": {}}
    assert options_of(raw) == Options(broker_priority=2)


def test_tags_come_back_as_they_were() -> None:
    assert options_of({"tags": ["a", "b"]}).tags == ("a", "b")


def test_dramatiqs_own_options_keep_its_names_and_units() -> None:
    raw = msgspec.to_builtins(Options(broker_priority=0, max_retries=5, time_limit=60_000))
    assert raw == {"broker_priority": 0, "max_retries": 5, "time_limit": 60_000}


@pytest.mark.parametrize("priority", list(Priority))
def test_a_priority_survives_its_level(priority: Priority) -> None:
    assert priority_of(priority.level) is priority


@pytest.mark.parametrize(("level", "nearest"), [(-1, Priority.LOW), (3, Priority.HIGH), (255, Priority.HIGH)])
def test_an_unknown_level_counts_as_the_nearest(level: int, nearest: Priority) -> None:
    assert priority_of(level) is nearest


def fresh_record(**changes: Any) -> TaskRecord:
    fields: dict[str, Any] = {
        "task_id": new_task_id(),
        "task_type": "reverse_text",
        "status": State.QUEUED,
        "priority": Priority.HIGH,
        "queue": "texts",
        "parameters": msgspec.Raw(b'{"text":"a"}'),
        "max_retries": 5,
        "time_limit_ms": 1500,
        "created_at": 1_769_860_800_000,
        "tags": ("a", "b"),
    }
    return TaskRecord(**fields | changes)


def test_the_message_of_a_record_carries_all_that_its_record_is_rebuilt_from() -> None:
    record = fresh_record()
    message = of_record(record)
    assert (message.message_id, message.actor_name, message.queue_name) == (
        record.task_id, "reverse_text", "texts",
    )  # fmt: skip
    assert (message.kwargs, message.message_timestamp) == (record.parameters, record.created_at)
    assert message.options == Options(
        broker_priority=2, max_retries=5, time_limit=1500, attempt=0, tags=("a", "b")
    )


def test_the_message_of_a_later_attempt_says_how_many_are_over_and_when_it_is_due() -> None:
    options = of_record(fresh_record(attempts=2), due_ms=5).options
    assert (options.attempt, options.due_ms) == (2, 5)


def test_the_message_of_a_running_task_is_that_of_the_attempt_that_runs() -> None:
    assert of_record(fresh_record(attempts=2, status=State.RUNNING)).options.attempt == 1


def test_the_message_of_a_record_can_be_read_by_dramatiq() -> None:
    theirs = dramatiq.Message.decode(encode(of_record(fresh_record())))
    assert theirs.kwargs == {"text": "a"}
    assert theirs.options["max_retries"] == 5
