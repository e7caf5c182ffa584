"""gunicorn's own log lines, in the form all others have; both serve.py name this as their logger class."""

from typing import Any

from gunicorn.glogging import Logger


class RootLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Hands everything on to the root logger, which logs.setup has prepared."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's levels, and none of its handlers."""
        super().setup(cfg)
        for each in (self.error_log, self.access_log):
            each.handlers.clear()
            each.propagate = True
