"""What a part of the torture finds, and how that is printed.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure. `holds` says whether it is as promised; `bound` is the promise in words or figures."""

    what: str
    figure: str
    bound: str = ""
    holds: bool = True
    example: str = ""
    """Where it does not hold: the first case, so that somebody can play it again."""


def none_of(what: str, bad: Sequence[str], of: str) -> Finding:
    """Return the finding that none of `of` is `bad`, each of which tells a case."""
    return Finding(what, str(len(bad)), f"0 of {of}", not bad, bad[0] if bad else "")


def draw(findings: Sequence[Finding]) -> str:
    """Return the findings as lines of plain text."""
    cells = [("found", "promised", "holds", "")] + [
        (finding.figure, finding.bound, {True: "yes", False: "NO"}[finding.holds], finding.what) for finding in findings
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()
        for row in cells
    ]
    lines += [f"! {finding.what}, first case:\n{finding.example}" for finding in findings if finding.example]
    return "\n".join(lines)
