"""How the system schedules a worker's threads."""

import os
from pathlib import Path

import pytest

from tests.integration.worker.harness import Installation

pytestmark = pytest.mark.usefixtures("alone")


def test_no_thread_of_a_worker_pushes_aside_the_one_that_wakes_it(board: Installation) -> None:
    worker = board.worker(threads=3)
    board.wait(board.submit("echo", {"value": 1}))
    threads = [int(each.name) for each in Path(f"/proc/{worker.pid}/task").iterdir()]
    assert len(threads) > 3
    assert {os.sched_getscheduler(each) for each in threads} == {os.SCHED_BATCH}
    assert worker.stop() == 0
