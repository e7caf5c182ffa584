"""Logging of every process: one line per event, as text for people or JSON for machines.

Never parameters or results; secrets do not reach a log because URLs are never logged whole.
"""

import logging
import sys
from typing import Any, Final

import msgspec

_PLAIN: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

#: Libraries whose INFO lines repeat what ours say.
_QUIET: Final = ("pika", "dramatiq", "periodiq", "botocore", "aiobotocore", "s3fs", "urllib3", "asyncio")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": int(record.created * 1000),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def setup(level: str, form: str) -> None:
    """Send log lines of `level` and above to standard error as `console` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else logging.Formatter(_PLAIN))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It says "Unexpected failure" with a traceback for each attempt to connect; we say it once.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
