"""The reason of a test that did not get past a jump host: it begins with the jump host's name.

Pure. By that name the tests that failed for one jump host are told as one problem.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

_BEGIN = "jump host "


def build_jump_reason(hop: str, why: str) -> str:
    """Return why no node behind the jump host `hop` was reached, in words."""
    return f"{_BEGIN}'{hop}': {why}"


def find_jump_host(reason: str) -> str:
    """Return the jump host that such a reason names; empty when it names none."""
    begin, _, rest = reason.partition("'")
    return rest.partition("'")[0] if begin == _BEGIN else ""
