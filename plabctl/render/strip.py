"""The last tests of a node as a strip of signs, the latest at the right end.

Pure. `status -o wide`, `show` and the demo have it.
Tests: `tests/render/test_status_table.py`, `tests/demo/test_live_board.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from plabctl.core.model import Outcome
from plabctl.render.styles import GLYPHS

LENGTH = 10
"""How many tests are shown where nothing else is said."""
STYLES = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.UNKNOWN: "suspect"}


def format_strip(outcomes: Iterable[Outcome]) -> str:
    """Return a sign for each of these outcomes."""
    return "".join(GLYPHS[STYLES[outcome]] for outcome in outcomes)
