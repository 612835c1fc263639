"""What one look at a source of nodes gives: rows as the text has them, and the nodes that they make.

Pure. Rows come from `plabctl.inventories.row_parsers` and are judged in `plabctl.inventories.node_list`; what becomes
of the nodes is decided in `plabctl.core.inventory_changes`.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.typed import TYPE_CHECKING, NamedTuple
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.model import Node

KNOWN_VARIABLES = ("ssh_host", "ssh_port", "ssh_user", "ssh_key", "ssh_jump", "recipe", "site")
"""The variables that mean something to plabctl; all others are labels."""
MAX_VALUE = 1000
"""How many characters a variable may have."""
_SHOWN = 60


class Row(NamedTuple):
    """One node as the text has it. `place` is where: a line number, or `item N` of JSON."""

    place: str
    name: str
    variables: Mapping[str, str]
    fault: str = ""
    """What is wrong with the form of this row."""
    note: str = ""
    """Why there is rightly no node for it."""


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
    notes: tuple[str, ...] = ()
    """Why there is rightly no node for other rows, one line each, as far as the first twenty."""
    note_count: int = 0
    """How many rows that are."""
    bad_rows_digest: str = ""
    """Tells one set of rows left out from another, wherever in the text they are; empty when there are none."""


NOTHING = Reading()
"""Of a source that could not be read."""


def quote_text(text: str) -> str:
    """Return `text` quoted for a message: control characters escaped, long ones cut."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
