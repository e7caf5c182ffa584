"""The table of states: what it allows, and that it hangs together."""

import pytest

from callboard.tasks.states import MAX_LEVEL, TERMINAL, TRANSITIONS, Priority, State, can_move


def test_every_state_has_a_row_of_moves() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_can_be_reached_from_a_fresh_task() -> None:
    reached = {State.SCHEDULED, State.QUEUED}
    while more := {end for start in reached for end in TRANSITIONS[start]} - reached:
        reached |= more
    assert reached == set(State)


def test_every_state_that_is_not_terminal_can_still_end() -> None:
    for start in set(State) - TERMINAL:
        reached = {start}
        while more := {end for state in reached for end in TRANSITIONS[state]} - reached:
            reached |= more
        assert reached & TERMINAL, start


def test_a_succeeded_task_stays_succeeded() -> None:
    assert TRANSITIONS[State.SUCCEEDED] == frozenset()


@pytest.mark.parametrize("start", [State.FAILED, State.CANCELLED])
def test_a_failed_or_cancelled_task_only_moves_when_somebody_queues_it_again(start: State) -> None:
    assert TRANSITIONS[start] == {State.QUEUED}


@pytest.mark.parametrize("start", sorted(set(State) - TERMINAL))
def test_a_task_that_has_not_ended_can_be_cancelled(start: State) -> None:
    assert can_move(start, State.CANCELLED)


@pytest.mark.parametrize("start", [State.SCHEDULED, State.QUEUED, State.RETRYING])
def test_only_a_running_task_can_succeed(start: State) -> None:
    assert not can_move(start, State.SUCCEEDED)


def test_no_state_moves_back_to_scheduled() -> None:
    assert not any(can_move(start, State.SCHEDULED) for start in State)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.SUCCEEDED] = frozenset({State.QUEUED})  # type: ignore[index]


def test_states_are_the_words_of_the_api() -> None:
    assert [state.value for state in State] == [
        "scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled",
    ]  # fmt: skip


def test_high_is_served_before_normal_before_low() -> None:
    levels = [Priority.LOW.level, Priority.NORMAL.level, Priority.HIGH.level]
    assert levels == [0, 1, 2]
    assert max(levels) == MAX_LEVEL
