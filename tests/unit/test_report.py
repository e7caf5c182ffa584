"""Progress and log lines on their way to Redis: throttled, in order, and none lost by an outage."""

import threading
import time
from collections.abc import Iterator

import pytest

from callboard.errors import Unavailable
from callboard.settings import MEMORY
from callboard.store import calls
from callboard.store.clients import sync_client
from callboard.store.keys import Keys
from callboard.store.sync import SyncStore
from callboard.worker.report import INTERVAL_S, Flusher, RunReporter
from tests.patience import PATIENCE_S, wait_until
from tests.unit.fake_store import FakeStore, line


@pytest.fixture
def store() -> FakeStore:
    """A Redis that can go away."""
    return FakeStore()


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """The thread that writes; started by the tests that need it."""
    made = Flusher()
    yield made
    made.stop()
    if made.is_alive():
        made.join(PATIENCE_S)


@pytest.fixture
def reporter(store: FakeStore, flusher: Flusher) -> RunReporter:
    """The reporter of one run."""
    return RunReporter(store, Keys(), "task", 1, flusher)


def test_the_newest_progress_is_written(store: FakeStore, reporter: RunReporter) -> None:
    reporter.progress(0.1, "STARTED")
    reporter.progress(0.2, "PROCESSING")
    assert reporter.flush() == "ok"
    assert store.progress == [(0.2, "PROCESSING")]


def test_the_stage_stays_when_none_is_given(store: FakeStore, reporter: RunReporter) -> None:
    reporter.progress(0.1, "STARTED")
    reporter.progress(0.2, None)
    reporter.flush()
    assert store.progress == [(0.2, "STARTED")]


def test_nothing_new_is_not_written(store: FakeStore, reporter: RunReporter) -> None:
    reporter.progress(0.1, None)
    reporter.flush()
    reporter.flush()
    assert store.calls == 1


def test_between_two_writes_passes_a_tenth_of_a_second(reporter: RunReporter) -> None:
    assert reporter.due_in(0.0) <= 0, "the first one is written at once"
    reporter.progress(0.1, None)
    before = time.monotonic()
    reporter.flush()
    assert reporter.due_in(time.monotonic()) <= INTERVAL_S <= reporter.due_in(before)


def test_a_thousand_reports_are_a_few_writes_and_the_last_one_is_among_them(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    flusher.start()
    began = time.monotonic()
    for step in range(1_000):
        reporter.progress(step / 1_000, None)
    wait_until(lambda: (0.999, "") in store.progress, what="the last one is written")
    assert store.calls <= (time.monotonic() - began) / INTERVAL_S + 2
    assert store.progress == sorted(store.progress)


def test_a_task_that_goes_silent_is_up_to_date(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    flusher.start()
    reporter.progress(0.1, None)
    wait_until(lambda: store.calls == 1, what="the first one is written")
    reporter.progress(0.2, None)  # within the same tenth of a second
    wait_until(lambda: (0.2, "") in store.progress, what="the second one is written")


def test_one_flusher_serves_many_tasks(store: FakeStore, flusher: Flusher) -> None:
    flusher.start()
    for n in range(50):
        RunReporter(store, Keys(), f"task-{n}", 1, flusher).progress(n / 100, None)
    wait_until(lambda: len(store.progress) == 50, what="all are written")


def test_progress_outlives_an_outage_of_redis(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    store.away = True
    flusher.start()
    reporter.progress(0.1, "STARTED")
    wait_until(lambda: store.calls >= 2, what="it is tried again")
    store.away = False
    wait_until(lambda: store.progress == [(0.1, "STARTED")], what="it is written")


def test_newer_progress_is_not_overwritten_by_what_could_not_be_written(
    store: FakeStore, reporter: RunReporter
) -> None:
    reporter.progress(0.1, None)
    store.open.clear()
    store.away = True
    flush = threading.Thread(target=reporter.flush)
    flush.start()
    assert store.entered.wait(PATIENCE_S)
    reporter.progress(0.2, None)
    store.open.set()
    flush.join(PATIENCE_S)
    store.away = False
    reporter.flush()
    assert store.progress == [(0.2, "")]


def test_no_line_is_lost_or_moved_by_an_outage(store: FakeStore, reporter: RunReporter) -> None:
    store.away = True
    for n in range(5):
        reporter.log(line("line %d", n))
        assert reporter.flush() == "lost"
    store.away = False
    reporter.flush()
    assert store.lines == [f'"line {n}"' for n in range(5)]


def test_in_a_long_outage_the_newest_lines_are_kept(store: FakeStore, reporter: RunReporter) -> None:
    store.away = True
    for n in range(calls.LOG_LINES_KEPT + 10):
        reporter.log(line("%d", n))
        if n % 100 == 0:
            reporter.flush()
    store.away = False
    reporter.flush()
    assert store.lines == [f'"{n}"' for n in range(10, calls.LOG_LINES_KEPT + 10)]


def test_the_end_of_the_run_takes_what_was_not_written(store: FakeStore, reporter: RunReporter) -> None:
    reporter.progress(0.9, "CONCLUDING")
    assert reporter.take_progress() == (0.9, "CONCLUDING")
    assert reporter.take_progress() is None
    assert store.calls == 0


def test_the_end_of_the_run_waits_for_a_write_under_way(store: FakeStore, reporter: RunReporter) -> None:
    """Else the end would be recorded first, and this report refused as one of an ended run."""
    reporter.progress(0.9, "CONCLUDING")
    store.open.clear()
    store.away = True
    flush = threading.Thread(target=reporter.flush)
    flush.start()
    assert store.entered.wait(PATIENCE_S)
    taken: list[object] = []
    end = threading.Thread(target=lambda: taken.append(reporter.take_progress()))
    end.start()
    end.join(0.1)
    assert taken == []
    store.open.set()
    end.join(PATIENCE_S)
    flush.join(PATIENCE_S)
    assert taken == [(0.9, "CONCLUDING")], "it was not written, so the end has to take it along"


def test_the_end_of_the_run_hears_that_lines_could_not_be_written(
    store: FakeStore, reporter: RunReporter
) -> None:
    reporter.log(line("the last words"))
    store.away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            reporter.write_lines()
    store.away = False
    reporter.write_lines()
    reporter.write_lines()
    assert store.lines == ['"the last words"']
    assert store.calls == 3


def test_a_bug_in_writing_ends_neither_the_flusher_nor_the_task(
    store: FakeStore, reporter: RunReporter, flusher: Flusher, caplog: pytest.LogCaptureFixture
) -> None:
    flusher.start()
    store.broken = True
    reporter.log(line("one"))
    wait_until(lambda: store.calls >= 1, what="it was tried")
    reporter.log(line("two"))
    reporter.write_lines()
    store.broken = False
    reporter.progress(0.5, None)
    wait_until(lambda: store.progress == [(0.5, "")], what="progress goes on")
    assert "a bug" in caplog.text


def test_a_cancel_heard_with_the_answer_stops_the_task(store: FakeStore, flusher: Flusher) -> None:
    cancelled = threading.Event()
    reporter = RunReporter(store, Keys(), "task", 1, flusher, on_cancel=cancelled.set)
    flusher.start()
    reporter.progress(0.1, None)
    wait_until(lambda: store.calls == 1, what="it is written")
    assert not cancelled.is_set()
    store.answer = "cancel"
    reporter.progress(0.2, None)
    assert cancelled.wait(PATIENCE_S)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "é" * 300, "|", '"\\'])
def test_any_stage_can_be_sent(flusher: Flusher, text: str) -> None:
    store = SyncStore(sync_client(MEMORY))
    reporter = RunReporter(store, Keys("t-stage:"), "task", 1, flusher)
    reporter.progress(0.5, text)
    assert reporter.flush() == "stale"  # there is no such task; but it was sent
