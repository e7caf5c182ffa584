"""Which queues are too full for another task."""

import pytest

from callboard.errors import Unavailable
from callboard.pressure import Pressure
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import Bench

TYPES = {"default": ["reverse_text", "flaky"], "email": ["email_sending"]}


def refused(pressure: Pressure, queue: str) -> bool:
    try:
        pressure.check(queue)
    except Unavailable as error:
        return error.nothing_done and error.retry_after_s > 0 and f"{queue!r} is full" in str(error)
    return False


async def test_a_queue_is_full_when_that_many_wait_of_all_its_types_and_priorities(bench: Bench) -> None:
    pressure = Pressure(bench, bench.keys, TYPES, 3)
    await bench.create(priority=Priority.HIGH)
    await bench.create(task_type="flaky", priority=Priority.LOW)
    await bench.create(task_type="email_sending", queue="email")
    for state in set(State) - {State.QUEUED}:
        await bench.in_state(state)
    await pressure.refresh()
    assert not refused(pressure, "default")
    task = await bench.create()
    assert not refused(pressure, "default")  # that is seen with the next look
    await pressure.refresh()
    assert [refused(pressure, queue) for queue in ("default", "email", "unheard of")] == [True, False, False]
    await bench.claim(task)
    await pressure.refresh()
    assert not refused(pressure, "default")


async def test_without_a_limit_nobody_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pressure = Pressure(bench, bench.keys, TYPES, 0)
    for _ in range(5):
        await bench.create()
    monkeypatch.setattr(bench, "run", None)
    await pressure.refresh()
    assert not refused(pressure, "default")
