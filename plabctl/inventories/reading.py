"""What one look at a source of nodes gives.

Pure. Made in `plabctl.inventories.node_list`; what becomes of it is decided in `plabctl.inventories.merge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.model import Node


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source lists: the nodes whose rows are right, and what is wrong with the other rows."""

    nodes: tuple[Node, ...] = ()
    faults: tuple[str, ...] = ()
    """Why rows were left out, one line each, as `FILE:LINE: what`; after the first twenty "... and N more"."""
    bad_names: frozenset[str] = frozenset()
    """The names in the rows left out, folded (`plabctl.core.names.fold_name`): these nodes are listed all the same."""
    bad_row_count: int = 0
    """How many rows were left out."""


NOTHING = Reading()
"""Of a source that could not be read."""
