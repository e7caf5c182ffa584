"""A problem as operators see it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callboard.doctor.finding import Finding, Verdict
from callboard.tasks.times import to_rfc3339


class Severity(StrEnum):
    """How bad it is: `info` is to be known, `warning` to be looked at, `critical` to be mended now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem. `id` is the same as long as it lasts; `since_ms` (since the epoch) is None when it is
    not known by itself but only when it was first seen.
    """

    id: str
    severity: Severity
    title: str
    detail: str
    what_to_do: str
    since_ms: int | None = None


def of_finding(
    finding: Finding, problem_id: str, title: str, severity: Severity | None = None
) -> list[Problem]:
    """Return the doctor's finding as a problem, or nothing when all is well."""
    if finding.verdict is Verdict.OK:
        return []
    found = Severity.CRITICAL if finding.verdict is Verdict.FAIL else Severity.WARNING
    return [
        Problem(
            id=problem_id,
            severity=severity or found,
            title=title,
            detail=sentence(finding.detail),
            what_to_do=sentence(finding.advice),
        )
    ]


def sentence(text: str) -> str:
    """Return a text that begins and ends as a sentence does."""
    begun = text if text.startswith("`") else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


@dataclass(frozen=True, slots=True)
class Report:
    """All problems at one time, the worst first; `not_checked` names what could not be looked at."""

    at_ms: int
    problems: tuple[Problem, ...] = ()
    not_checked: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Return ok, degraded (something is to be looked at) or critical."""
        severities = {each.severity for each in self.problems}
        if Severity.CRITICAL in severities:
            return "critical"
        return "degraded" if Severity.WARNING in severities else "ok"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems, the worst first."""
    return tuple(sorted(problems, key=lambda each: (_ORDER[each.severity], each.id)))


def view(report: Report) -> dict[str, Any]:
    """Return what `GET /api/health` answers."""
    return {
        "status": report.status,
        "checked_at": to_rfc3339(report.at_ms),
        "problems": [
            {
                "id": each.id,
                "severity": each.severity.value,
                "title": each.title,
                "detail": each.detail,
                "what_to_do": each.what_to_do,
                "since": to_rfc3339(each.since_ms),
            }
            for each in report.problems
        ],
        "not_checked": report.not_checked,
    }
