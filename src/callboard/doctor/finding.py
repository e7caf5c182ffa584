"""What a check has found, and how it is shown; no secret is ever in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from callboard.settings import Settings


class Verdict(StrEnum):
    """How it stands; only FAIL makes the doctor's exit code 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `check` names what was looked at, `advice` says what to do."""

    verdict: Verdict
    check: str
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<5} {self.check}: {self.detail}"
        return f"{line} -> {self.advice}" if self.advice else line


def ok(check: str, detail: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Verdict.OK, check, detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """Return that something works, but may not for long."""
    return Finding(Verdict.WARN, check, detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """Return that something does not work, or that tasks may be lost."""
    return Finding(Verdict.FAIL, check, detail, advice)


def as_text(findings: Sequence[Finding]) -> str:
    """Return one line per finding, and one that sums them up."""
    failed = sum(each.verdict is Verdict.FAIL for each in findings)
    warned = sum(each.verdict is Verdict.WARN for each in findings)
    total = f"{len(findings)} checks: {failed} failed, {warned} with a warning"
    return "\n".join([*map(str, findings), total])


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for machines."""
    return msgspec.json.format(msgspec.json.encode(_view(findings)), indent=2).decode()


def _view(findings: Sequence[Finding]) -> dict[str, Any]:
    worst = next((each for each in reversed(Verdict) if any(f.verdict is each for f in findings)), Verdict.OK)
    return {
        "status": worst.lower(),
        "checks": [
            {
                "check": each.check,
                "status": each.verdict.lower(),
                "detail": each.detail,
                "advice": each.advice or None,
            }
            for each in findings
        ],
    }


def without_secrets(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Return the findings with every password of the settings replaced: servers like to repeat them."""
    secrets = secrets_of(settings)

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    return [replace(each, detail=clean(each.detail), advice=clean(each.advice)) for each in findings]


def secrets_of(settings: Settings) -> list[str]:
    """Return the passwords and keys in the settings' URLs, as written and decoded, longest first."""
    found: set[str] = set()
    urls = [*settings.broker_url.split(";"), settings.redis_url, settings.smtp_url, settings.files_url]
    for url in urls:
        parts = urlsplit(url)
        found |= {parts.password or "", unquote(parts.password or ""), parts.query}
        for option in parts.query.split("&"):
            name, _, value = option.partition("=")
            if name in ("key", "secret", "token", "sentinel_password"):
                found |= {value, unquote(value)}
    return sorted((each for each in found if len(each) > 2), key=len, reverse=True)
