"""Events as they are kept: one short text each."""

import msgspec
import pytest

from callboard.tasks.events import Event, Replay, decode, decode_line, view
from callboard.tasks.states import TERMINAL, State

TASK = "0199d2a0-0000-7000-8000-000000000000"


def test_a_kept_event_reads_back() -> None:
    assert decode(TASK, 7, "s|1769860800000|running|2|0.5|PROCESSING") == Event(
        task_id=TASK,
        version=7,
        kind="state",
        status="running",
        at_ms=1_769_860_800_000,
        progress=0.5,
        stage="PROCESSING",
        attempt=2,
    )


@pytest.mark.parametrize(("letter", "kind"), [("s", "state"), ("p", "progress")])
def test_the_first_letter_tells_the_kind(letter: str, kind: str) -> None:
    assert decode(TASK, 1, f"{letter}|1|running|1|0|").kind == kind


def test_no_stage_is_none() -> None:
    assert decode(TASK, 1, "s|1|queued|0|0|").stage is None


def test_a_stage_may_hold_the_separator() -> None:
    assert decode(TASK, 1, "p|1|running|1|0.25|a|b||c").stage == "a|b||c"


@pytest.mark.parametrize("status", list(State))
def test_every_state_can_be_in_an_event(status: State) -> None:
    assert decode(TASK, 1, f"s|1|{status}|0|0|").status == status


def test_the_json_of_an_event_leaves_out_what_says_nothing() -> None:
    sent = msgspec.json.decode(msgspec.json.encode(decode(TASK, 1, "s|5|queued|0|0|")))
    assert sent == {
        "task_id": TASK, "version": 1, "kind": "state", "status": "queued", "at_ms": 5, "progress": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("status", list(State))
def test_a_task_ends_with_the_event_of_a_terminal_state_and_with_no_other(status: State) -> None:
    assert decode(TASK, 1, f"s|1|{status}|0|0|").ends == (status in TERMINAL)
    assert not decode(TASK, 1, f"p|1|{status}|0|0|").ends


def test_a_kept_log_line_reads_back_as_an_event() -> None:
    line = b'{"version":4,"at_ms":5,"attempt":2,"level":"INFO","message":"say \\"hi\\""}'
    assert decode_line(TASK, line) == Event(
        task_id=TASK, version=4, kind="log", at_ms=5, attempt=2, level="INFO", message='say "hi"'
    )


def test_a_stream_shows_a_change_as_the_contract_says() -> None:
    assert view(decode(TASK, 7, "p|5|running|2|0.5|PROCESSING")) == {
        "task_id": TASK,
        "version": 7,
        "at": "1970-01-01T00:00:00.005Z",
        "kind": "progress",
        "status": "running",
        "stage": "PROCESSING",
        "progress": 0.5,
        "attempt": 2,
    }


def test_a_stream_shows_a_log_line_without_a_status() -> None:
    line = b'{"version":4,"at_ms":5,"attempt":2,"level":"INFO","message":"one"}'
    assert view(decode_line(TASK, line)) == {
        "task_id": TASK,
        "version": 4,
        "at": "1970-01-01T00:00:00.005Z",
        "kind": "log",
        "attempt": 2,
        "level": "INFO",
        "message": "one",
    }


@pytest.mark.parametrize(("status", "ended"), [("", False), ("running", False), ("failed", True)])
def test_a_replay_tells_whether_the_task_has_ended(status: str, ended: bool) -> None:
    assert Replay([], 1, status).ended == ended


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        decode(TASK, 1, "s|1|queued|0|0|").version = 2  # type: ignore[misc]
