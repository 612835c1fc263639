"""What a check of the installation found: `ok`, `warn` or `FAIL`, with what to do.

Pure. The checks are in `plabctl.app.diagnose` and `plabctl.app.cron_check`.
Tests: `tests/app/test_diagnose.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check: where it looked, what it saw, and what to do about it (empty when nothing)."""

    level: Level
    topic: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """Return the line as people read it."""
        return f"{self.level:<4}  {self.topic}: {self.text}" + (f"; {self.advice}" if self.advice else "")


def ok(topic: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, topic, text)


def warn(topic: str, text: str, advice: str) -> Finding:
    """Return a finding that may become a problem."""
    return Finding(Level.WARN, topic, text, advice)


def fail(topic: str, text: str, advice: str) -> Finding:
    """Return a finding that keeps plabctl from doing its work."""
    return Finding(Level.FAIL, topic, text, advice)


def has_failed(findings: Iterable[Finding]) -> bool:
    """Return whether any of the findings is a FAIL."""
    return any(finding.level is Level.FAIL for finding in findings)
