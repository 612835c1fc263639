"""Which nodes changed between two looks at the status.

Pure. For whoever reads the status line by line: `status --watch` in a pipe.
Tests: `tests/cli/test_watch.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from plabctl.views.node import NodeView


class StatusChanges:
    """Remembers the rows of the last look."""

    def __init__(self) -> None:
        self.is_first = True
        """Whether nothing was taken yet."""
        self._seen: dict[object, object] = {}

    def take(self, rows: Iterable[Any]) -> tuple[list[Any], list[str]]:
        """Return the rows that are new or have changed, and the names of the nodes that are gone.

        Rows are views of nodes or groups. A flap penalty that decays is no change.
        """
        found = list(rows)
        now = {_find_key(row): row._replace(penalty=0.0) if isinstance(row, NodeView) else row for row in found}
        changed = [row for row in found if (key := _find_key(row)) not in self._seen or self._seen[key] != now[key]]
        gone = [str(key) for key in self._seen if key not in now]
        self._seen, self.is_first = now, False
        return changed, gone


def _find_key(row: Any) -> object:
    return row.name if isinstance(row, NodeView) else row.value
