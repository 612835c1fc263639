"""The teardown of many leftovers as one stage: its shell code, and what its output says of each of them.

Pure. Each teardown runs in a subshell, so that its `exit` or syntax error ends none of the others. Go on with
`plabctl.probes.remove_leftovers`.
Tests: `tests/probes/test_remove_leftovers.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from plabctl.probes.orphaned_stage import END

_REPORT = "plabctl leftover {}: "
_REPORTED = re.compile(r"^plabctl leftover (\d+): (\d+)$\n?", re.MULTILINE)


class TornDown(NamedTuple):
    """How the teardown of one leftover ended: its exit code, and what it printed."""

    exit_code: int
    output: str


def build_batch(pieces: Iterable[tuple[str, str]]) -> str:
    """Return shell code that ends the stages of each vnode and runs its teardown; `pieces` are vnodes and texts."""
    lines, before = ["plabctl_worst=0"], None
    for number, (vnode, text) in enumerate(pieces):
        if text != before:  # a script is the same for all, and may be long
            lines.append(f"plabctl_teardown={shlex.quote(text)}")
            before = text
        report = _REPORT.format(number)
        lines.append(
            f"(PLABCTL_VNODE={shlex.quote(vnode)}; export PLABCTL_VNODE\n{END}"
            'eval "$plabctl_teardown"\n'
            ") </dev/null; plabctl_code=$?\n"
            f"printf '\\n{report}%d\\n' $plabctl_code\n"
            "[ $plabctl_code = 0 ] || plabctl_worst=$plabctl_code"
        )
    return "\n".join([*lines, "exit $plabctl_worst", ""])


def read_batch(output: str) -> dict[int, TornDown]:
    """Return how the teardowns that ended did so, by the number of the piece; those of a cut output are missing."""
    found, start = {}, 0
    for match in _REPORTED.finditer(output):
        found[int(match[1])] = TornDown(int(match[2]), output[start : match.start()])
        start = match.end()
    return found
