"""What an order changed, node by node, and what undoes it.

Pure. `plabctl.app.change_nodes` gives the orders, `plabctl.render.change_report` shows this.
Tests: `tests/render/test_change_report.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One node's part in an order; `before` and `after` are words, `before` empty when there was nothing."""

    node: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What an order did, and the commands that undo it."""

    changes: tuple[Change, ...]
    undo: tuple[str, ...] = ()
    warning: str = ""
