"""What a task logs on its way into the task's own log."""

import logging

import pytest

from callboard.store.keys import Keys
from callboard.tasks.run import Resources, Run, use_run
from callboard.worker.report import LINE_MOST, CaptureHandler, Flusher, RunReporter
from tests.unit.fake_store import FakeStore, line


@pytest.fixture
def store() -> FakeStore:
    """A Redis that keeps what it is told."""
    return FakeStore()


@pytest.fixture
def reporter(store: FakeStore) -> RunReporter:
    """The reporter of one run, written when the test says so."""
    return RunReporter(store, Keys(), "task", 1, Flusher())


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
    assert [each.level for each in reporter._lines] == ["NOTE"]


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


def test_a_broken_log_call_does_not_fail_the_task(reporter: RunReporter, store: FakeStore) -> None:
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
    reporter.flush()
    assert len(store.lines) == 2
    assert all("do not fit" in each for each in store.lines)
