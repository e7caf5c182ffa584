"""Logging of every process: one line per event, as text for people or JSON for machines.

Never parameters or results. Secrets do not reach a log: URLs are not logged whole, and what looks like a
password, a key or a cookie all the same (in a library's message, in a traceback) is masked.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, Final

import msgspec

from callboard.tasks.times import to_rfc3339

_PLAIN: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

#: Libraries whose INFO lines repeat what ours say.
_QUIET: Final = ("pika", "dramatiq", "periodiq", "botocore", "aiobotocore", "s3fs", "urllib3", "asyncio")

_MASK: Final = "***"
_IN_URL: Final = re.compile(r"(://[^\s/:'\"]*:)[^\s/'\"]+@")
_IN_HEADER: Final = re.compile(
    r"((?:authorization|cookie|x-api-key|x-csrf-token)\b['\"]?\s*[:=,]\s*b?['\"]?)[^\r\n'\"]+", re.IGNORECASE
)
_KEY: Final = re.compile(r"\bcb_[\w-]{20,}")

#: What is known where a line is written: request_id, task_id, attempt, queue, worker, trace_id …
_known: ContextVar[Mapping[str, object]] = ContextVar("callboard_log")


def bind(**fields: object) -> Token[Mapping[str, object]]:
    """Put fields into every line that is written from here on, in this thread or asyncio task."""
    return _known.set({**_known.get({}), **fields})


def bind_only(**fields: object) -> Token[Mapping[str, object]]:
    """As `bind`, in place of all that was bound."""
    return _known.set(fields)


def unbind(token: Token[Mapping[str, object]]) -> None:
    """Go back to what was before."""
    _known.reset(token)


def masked(text: str) -> str:
    """Return the text without passwords in URLs, keys, and values of headers that are secret."""
    if "://" in text:
        text = _IN_URL.sub(rf"\1{_MASK}@", text)
    text = _IN_HEADER.sub(rf"\1{_MASK}", text)
    return _KEY.sub(f"cb_{_MASK}", text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": to_rfc3339(int(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
            **_known.get({}),
            **getattr(record, "fields", {}),
            "process": record.process,
        }
        if record.exc_info:
            line["traceback"] = masked(self.formatException(record.exc_info))
        try:
            return msgspec.json.encode(line, enc_hook=str).decode()
        except UnicodeEncodeError:  # a lone surrogate, which no UTF-8 has
            clean = {name: str(value).encode("utf-8", "replace").decode() for name, value in line.items()}
            return msgspec.json.encode(clean).decode()


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def setup(level: str, form: str) -> None:
    """Send log lines of `level` and above to standard error as `console` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Plain(_PLAIN))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It says "Unexpected failure" with a traceback for each attempt to connect; we say it once.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # What Python prints by itself is a line like all others.
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, _trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("callboard").critical("uncaught %s", kind.__name__, exc_info=error)


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread else "?"
        logging.getLogger("callboard").critical("uncaught in thread %s", name, exc_info=arguments.exc_value)
