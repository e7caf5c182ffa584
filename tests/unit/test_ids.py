"""Task ids sort by creation time, within a process and across them."""

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.tasks.ids import created_ms, first_id_at, id_of, is_task_id, new_task_id
from callboard.tasks.times import now_ms

LAST_MS = (1 << 48) - 1


def test_a_new_id_is_a_uuid_of_version_7_in_canonical_form() -> None:
    task_id = new_task_id()
    assert is_task_id(task_id)
    assert uuid.UUID(task_id).version == 7
    assert uuid.UUID(task_id).variant == uuid.RFC_4122


def test_ids_of_one_process_grow_and_never_repeat() -> None:
    ids = [new_task_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_processes_forked_from_one_another_do_not_give_the_same_ids() -> None:
    new_task_id()
    pipes = []
    for _ in range(2):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, "\n".join(new_task_id() for _ in range(100)).encode())
            os._exit(0)
        os.close(writing)
        pipes.append((reading, child))
    ids = []
    for reading, child in pipes:
        with os.fdopen(reading) as lines:
            ids += lines.read().split()
        os.waitpid(child, 0)
    assert len(ids) == len(set(ids)) == 200


def test_an_id_tells_when_it_was_made() -> None:
    before = now_ms()
    task_id = new_task_id()
    assert before <= created_ms(task_id) <= now_ms()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "0199D2A0-0000-7000-8000-000000000000",
        "0199d2a0-0000-7000-8000-00000000000",
        "0199d2a0-0000-7000-8000-0000000000000",
        "0199d2a0-0000-7000-8000-000000000000\n",
        "{0199d2a0-0000-7000-8000-000000000000}",
        "0199d2a000007000800000000000000000000",
        "0199d2a0-0000-7000-8000-00000000000g",
        "\u0660199d2a0-0000-7000-8000-000000000000",
        "*",
        "../../x",
    ],
)
def test_anything_but_a_canonical_lower_case_uuid_is_no_id(text: str) -> None:
    assert not is_task_id(text)


@given(st.integers(0, LAST_MS))
def test_the_first_id_of_a_millisecond_carries_that_time(at_ms: int) -> None:
    first = first_id_at(at_ms)
    assert is_task_id(first)
    assert created_ms(first) == at_ms


@given(st.integers(0, LAST_MS), st.integers(0, LAST_MS))
def test_first_ids_sort_as_their_times_do(one: int, other: int) -> None:
    assert (first_id_at(one) < first_id_at(other)) == (one < other)


def test_the_first_id_of_a_millisecond_is_no_greater_than_any_id_made_in_it() -> None:
    task_id = new_task_id()
    at_ms = created_ms(task_id)
    assert first_id_at(at_ms) <= task_id < first_id_at(at_ms + 1)


@pytest.mark.parametrize(("at_ms", "nearest"), [(-1, 0), (-(10**15), 0), (LAST_MS + 1, LAST_MS)])
def test_times_that_no_id_can_hold_count_as_the_nearest_one(at_ms: int, nearest: int) -> None:
    assert first_id_at(at_ms) == first_id_at(nearest)


@given(st.integers(0, LAST_MS), st.text(max_size=40), st.text(max_size=40))
def test_the_id_of_something_at_a_time_is_always_the_same(at_ms: int, one: str, other: str) -> None:
    made = id_of(at_ms, one)
    assert is_task_id(made)
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)
    assert created_ms(made) == at_ms
    assert id_of(at_ms, one) == made
    assert (id_of(at_ms, other) == made) == (one == other)
    assert id_of((at_ms + 1) % LAST_MS, one) != made
