"""Log lines: one JSON object each, with what is known where they are written, and without secrets."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from callboard import logs

KEY = "cb_" + "k" * 43


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Logging set up for JSON; gives what was written since the last call."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level, threading.excepthook
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("sys.stderr", stream)
    logs.setup("INFO", "json")

    def written() -> list[dict[str, Any]]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return [json.loads(line) for line in text.splitlines()]

    yield written
    root.handlers[:], level, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_line_is_one_json_object(lines: Any) -> None:
    logging.getLogger("callboard.x").warning("two\nlines %s", "\ud800")
    (line,) = lines()
    assert line["message"] == "two\nlines ?"
    assert (line["level"], line["logger"]) == ("WARNING", "callboard.x")
    assert line["time"].endswith("Z")


def test_what_is_bound_is_in_every_line_of_this_thread_only(lines: Any) -> None:
    token = logs.bind(task_id="t1", queue="default")
    inner = logs.bind(attempt=2)
    logging.getLogger().info("inside")
    thread = threading.Thread(target=lambda: logging.getLogger().info("elsewhere"))
    thread.start()
    thread.join()
    logs.unbind(inner)
    logs.unbind(token)
    logging.getLogger().info("after")
    inside, elsewhere, after = lines()
    assert (inside["task_id"], inside["queue"], inside["attempt"]) == ("t1", "default", 2)
    assert "task_id" not in elsewhere
    assert "task_id" not in after


def test_a_traceback_is_a_field_and_nothing_python_prints_is_another_kind_of_line(lines: Any) -> None:
    def fail() -> None:
        raise ValueError(f"amqp://me:hunter2@host/ and {KEY}")

    thread = threading.Thread(target=fail, name="worker-7")
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", UserWarning, stacklevel=1)
    uncaught, warned = lines()
    assert uncaught["message"] == "uncaught in thread worker-7"
    assert "ValueError" in uncaught["traceback"]
    assert "hunter2" not in uncaught["traceback"]
    assert KEY not in uncaught["traceback"]
    assert "old" in warned["message"]


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        ("no answer of amqp://guest:s3cret@rabbit:5672/vhost today", "s3cret", "@rabbit:5672/vhost today"),
        ("redis://:s3cret@redis:6379/0", "s3cret", "redis:6379"),
        ("smtp+starttls://me@example.org:s3cret@mail", "s3cret", "mail"),
        ("{'Authorization': 'Bearer s3cret', 'Host': 'x'}", "s3cret", "'Host': 'x'"),
        ("Cookie: callboard=s3cret; other=s3cret2", "s3cret", "Cookie"),
        ("(b'authorization', b'Basic s3cret')", "s3cret", "authorization"),
        ("X-API-Key: s3cret\nHost: x", "s3cret", "Host: x"),
        (f"key {KEY} was refused", KEY, "was refused"),
    ],
)
def test_secrets_are_masked(text: str, secret: str, kept: str) -> None:
    found = logs.masked(text)
    assert secret not in found
    assert kept in found


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:5000/api/tasks", "a@b.org wrote to c@d.org: hello", "the task ended: cb_ok"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert logs.masked(text) == text
