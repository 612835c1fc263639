"""Signs and styles: the one place that says how each state is marked and coloured.

Pure. A style is a name; `CODES` are its escape codes on a terminal, of which `plabctl.render.rich_console` makes rich's
styles.
Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

from plabctl.core.settings import PoolSettings, Settings

GOOD = "good"
"""The style of what is on the good side, whatever pool that is."""

GLYPHS = {
    GOOD: "✓",
    "bad": "✗",
    "suspect": "?",
    "failing": "!",
    "testing": "»",
    "held": "‖",
    "absent": "◌",
    "faint": "·",
    "": "·",
}
"""A sign for each style that tells a state, so that no state is told by colour alone."""

CODES = {
    "title": "1",
    "faint": "2",
    "absent": "2",
    GOOD: "32",
    "bad": "31",
    "suspect": "33",
    "failing": "33",
    "testing": "36",
    "held": "35",
    "found": "7",
}
"""The parameters of the escape code `CSI ... m` that each style is."""


def mark(style: str, text: str) -> str:
    """Return the text with the sign of its style before it."""
    return f"{GLYPHS[style]} {text}"


def list_pool_styles(settings: Settings) -> dict[str, str]:
    """Return the style of each pool: that of the side it is on."""
    return {name: find_side(pool) for name, pool in settings.pools.items()}


def find_side(pool: PoolSettings | None) -> str:
    """Return the side a pool is on, which is the style it is shown in: `good` or `bad`; empty for no pool."""
    return "" if pool is None else GOOD if pool.is_good else "bad"
