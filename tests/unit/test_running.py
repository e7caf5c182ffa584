"""What a worker says of itself."""

from callboard.worker.interrupt import Guard
from callboard.worker.running import ActiveRun, Running


def active(task_id: str = "a") -> ActiveRun:
    return ActiveRun(task_id, 1, Guard(60.0), lambda: None)


def test_a_task_that_was_given_up_counts_once_even_if_it_returns() -> None:
    running, run = Running(), active()
    running.enter(run)
    running.leave(run, failed=True)
    running.leave(run, failed=False)
    assert (running.done, running.failed, running.all()) == (0, 1, [])


def test_the_end_of_an_earlier_run_leaves_the_later_one_running() -> None:
    running, first, second = Running(), active(), active()
    running.enter(first)
    running.enter(second)
    running.leave(first, failed=False)
    assert running.all() == [second]
