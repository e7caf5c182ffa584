"""A run for tasks under test: its reporter only remembers what the task told it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from callboard import Resources, Run, use_run
from callboard.files import Files

TASK_ID = "01997a3c-0000-7000-8000-000000000001"


@dataclass
class Remembering:
    """The Reporter of one task, through all its attempts."""

    progresses: list[tuple[float, str | None]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)

    def progress(self, fraction: float, stage: str | None) -> None:
        self.progresses.append((fraction, stage))

    def log(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def mark(self, name: str) -> None:
        self.marks.add(name)

    def marked(self, name: str) -> bool:
        return name in self.marks


@pytest.fixture
def reporter() -> Remembering:
    return Remembering()


@pytest.fixture
def files_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def files(files_folder: Path) -> Files:
    return Files(files_folder.as_uri(), max_upload_bytes=1000)


@pytest.fixture
def attempt(reporter: Remembering, files: Files) -> Callable[..., AbstractContextManager[Run]]:
    """Make a block one attempt of the task, by its number; all attempts have the same reporter."""

    def enter(number: int = 1, smtp_url: str = "console://") -> AbstractContextManager[Run]:
        resources = Resources(smtp_url=smtp_url, mail_from="Callboard <board@example.org>", files=files)
        return use_run(Run(TASK_ID, "tested", number, resources, reporter))

    return enter


@pytest.fixture(autouse=True)
def _task_log(reporter: Remembering) -> Iterator[None]:
    """Bring what a task logs to the reporter, as the worker does."""
    handler = logging.Handler(logging.INFO)
    handler.emit = reporter.log  # type: ignore[method-assign]
    logger = logging.getLogger("callboard.task")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)
