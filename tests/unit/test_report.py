"""Progress and log lines on their way to Redis: throttled, in order, and none lost by an outage."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from callboard.errors import Unavailable
from callboard.local.process import wait_until
from callboard.settings import MEMORY
from callboard.store import calls
from callboard.store.clients import sync_client
from callboard.store.keys import Keys
from callboard.store.scripts import Call
from callboard.store.sync import SyncStore
from callboard.tasks.run import Resources, Run, use_run
from callboard.worker.report import INTERVAL_S, LINE_MOST, CaptureHandler, Flusher, RunReporter

SOON_S = 10.0


class FakeStore:
    """Takes reports apart again; fails or stops as it is told."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.calls = 0
        self.away = False
        self.broken = False
        self.answer = "ok"
        #: Clear it to hold calls up while they are under way.
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def run(self, call: Call[Any]) -> Any:
        """Take one report."""
        self.entered.set()
        assert self.open.wait(SOON_S)
        self.calls += 1
        if self.broken:
            raise LookupError("a bug")
        if self.away:
            raise Unavailable("Redis is away")
        assert call.script is not None
        assert call.script.name == "report"
        fraction, stage, _, *flat = call.arguments[3:]
        if fraction != "":
            self.progress.append((float(fraction), str(stage)))
        self.lines += [bytes(each).decode() for each in flat[2::3]]  # type: ignore[arg-type]
        return self.answer


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
        made.join(SOON_S)


@pytest.fixture
def reporter(store: FakeStore, flusher: Flusher) -> RunReporter:
    """The reporter of one run."""
    return RunReporter(store, Keys(), "task", 1, flusher)


def line(text: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    """Return what logging makes of one call."""
    return logging.LogRecord("test", level, "file.py", 1, text, arguments, None)


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
    reporter.flush()
    assert 0 < reporter.due_in(time.monotonic()) <= INTERVAL_S


def test_a_thousand_reports_are_a_few_writes_and_the_last_one_is_among_them(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    flusher.start()
    for step in range(1_000):
        reporter.progress(step / 1_000, None)
    wait_until(lambda: (0.999, "") in store.progress, timeout_s=SOON_S, what="the last one is written")
    assert store.calls <= 20
    assert store.progress == sorted(store.progress)


def test_a_task_that_goes_silent_is_up_to_date(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    flusher.start()
    reporter.progress(0.1, None)
    wait_until(lambda: store.calls == 1, timeout_s=SOON_S, what="the first one is written")
    reporter.progress(0.2, None)  # within the same tenth of a second
    wait_until(lambda: (0.2, "") in store.progress, timeout_s=SOON_S, what="the second one is written")


def test_one_flusher_serves_many_tasks(store: FakeStore, flusher: Flusher) -> None:
    flusher.start()
    for n in range(50):
        RunReporter(store, Keys(), f"task-{n}", 1, flusher).progress(n / 100, None)
    wait_until(lambda: len(store.progress) == 50, timeout_s=SOON_S, what="all are written")


def test_progress_outlives_an_outage_of_redis(
    store: FakeStore, reporter: RunReporter, flusher: Flusher
) -> None:
    store.away = True
    flusher.start()
    reporter.progress(0.1, "STARTED")
    wait_until(lambda: store.calls >= 2, timeout_s=SOON_S, what="it is tried again")
    store.away = False
    wait_until(lambda: store.progress == [(0.1, "STARTED")], timeout_s=SOON_S, what="it is written")


def test_newer_progress_is_not_overwritten_by_what_could_not_be_written(
    store: FakeStore, reporter: RunReporter
) -> None:
    reporter.progress(0.1, None)
    store.open.clear()
    store.away = True
    flush = threading.Thread(target=reporter.flush)
    flush.start()
    assert store.entered.wait(SOON_S)
    reporter.progress(0.2, None)
    store.open.set()
    flush.join(SOON_S)
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
    assert store.entered.wait(SOON_S)
    taken: list[object] = []
    end = threading.Thread(target=lambda: taken.append(reporter.take_progress()))
    end.start()
    end.join(0.1)
    assert taken == []
    store.open.set()
    end.join(SOON_S)
    flush.join(SOON_S)
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
    wait_until(lambda: store.calls >= 1, timeout_s=SOON_S, what="it was tried")
    reporter.log(line("two"))
    reporter.write_lines()
    store.broken = False
    reporter.progress(0.5, None)
    wait_until(lambda: store.progress == [(0.5, "")], timeout_s=SOON_S, what="progress goes on")
    assert "a bug" in caplog.text


def test_a_cancel_heard_with_the_answer_stops_the_task(store: FakeStore, flusher: Flusher) -> None:
    cancelled = threading.Event()
    reporter = RunReporter(store, Keys(), "task", 1, flusher, on_cancel=cancelled.set)
    flusher.start()
    reporter.progress(0.1, None)
    wait_until(lambda: store.calls == 1, timeout_s=SOON_S, what="it is written")
    assert not cancelled.is_set()
    store.answer = "cancel"
    reporter.progress(0.2, None)
    assert cancelled.wait(SOON_S)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "é" * 300, "|", '"\\'])
def test_any_stage_can_be_sent(flusher: Flusher, text: str) -> None:
    store = SyncStore(sync_client(MEMORY))
    reporter = RunReporter(store, Keys("t-stage:"), "task", 1, flusher)
    reporter.progress(0.5, text)
    assert reporter.flush() == "stale"  # there is no such task; but it was sent


def test_a_line_has_its_arguments_its_error_and_its_level(store: FakeStore, reporter: RunReporter) -> None:
    reporter.log(line("%s of %d", "one", 2, level=logging.WARNING))
    try:
        raise ValueError("no")
    except ValueError as error:
        record = line("failed")
        record.exc_info = (ValueError, error, error.__traceback__)
        reporter.log(record)
    reporter.flush()
    assert store.lines == ['"one of 2"', '"failed\\nValueError: no"']


def test_a_long_line_is_cut(store: FakeStore, reporter: RunReporter) -> None:
    reporter.log(line("x" * (LINE_MOST + 1)))
    reporter.flush()
    assert store.lines == ['"' + "x" * LINE_MOST + '… (cut)"']


def test_hostile_lines_can_be_sent(store: FakeStore, reporter: RunReporter) -> None:
    for text in ("\ud800", "\x00", '"}{'):
        reporter.log(line(text))
    reporter.flush()
    assert len(store.lines) == 3


def test_the_level_is_one_plain_word(reporter: RunReporter) -> None:
    """The script puts it into JSON as it is."""
    record = line("x")
    record.levelname = 'NO"TE'
    reporter.log(record)
    assert [each.level for each in reporter._lines] == ["INFO"]


def test_what_a_task_logs_goes_to_its_run_and_nothing_else_does(
    reporter: RunReporter, store: FakeStore
) -> None:
    handler, logger = CaptureHandler(), logging.getLogger("callboard.test-report")
    logger.addHandler(handler)
    try:
        logger.warning("before")
        with use_run(Run("task", "any", 1, Resources("", "", None), reporter)):  # type: ignore[arg-type]
            logger.warning("inside")
        logger.warning("after")
    finally:
        logger.removeHandler(handler)
    reporter.flush()
    assert store.lines == ['"inside"']


def test_a_broken_log_call_does_not_fail_the_task(
    reporter: RunReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise LookupError("no text")

    handler, logger = CaptureHandler(), logging.getLogger("callboard.test-report")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with use_run(Run("task", "any", 1, Resources("", "", None), reporter)):  # type: ignore[arg-type]
            logger.warning("%d", "no number")
            logger.warning("%s", Broken())
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    assert "Logging error" in capsys.readouterr().err
