"""Who may look and who may change: what the gate asks before the dashboard sees a request."""

from collections.abc import Mapping
from typing import Any, Protocol

from callboard.access.roles import Role


class Refused(Exception):
    """The request is not answered. `advice` says what to do instead."""

    def __init__(
        self,
        status: str,
        title: str,
        detail: str,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.advice = advice
        self.headers = dict(headers or {})
        super().__init__(detail)


class Guard(Protocol):
    """Knows the one who sends the request that this thread answers."""

    def admit(self, environ: Mapping[str, Any], needed: Role) -> None:
        """Let a WSGI request pass, or raise Refused (401, 403) or Unavailable."""

    def note(self, action: str, task_id: str, outcome: str) -> None:
        """Note in the audit trail what the admitted one has done to a task."""


class Open:
    """Everybody may: loopback without CALLBOARD_AUTH=required."""

    def admit(self, environ: Mapping[str, Any], needed: Role) -> None:
        """Let it pass."""

    def note(self, action: str, task_id: str, outcome: str) -> None:
        """There is nobody to name."""
