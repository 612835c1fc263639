"""Read an inventory as it is now, whatever its kind.

I/O. Never raises and always ends: what went wrong is in the result, and it changes nothing then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from plabctl.core.settings import ANYWHERE, InventorySettings, Origin
from plabctl.errors import UsageFault
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.reading import NOTHING, Reading
from plabctl.kinds import find


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What an inventory lists; or why it could not be read, one fault a line."""

    source: str
    reading: Reading = NOTHING
    fault: str = ""


def fetch(inventory: InventorySettings, origin: Origin = ANYWHERE) -> FetchResult:
    """Return what `inventory`, which a configuration from `origin` names, lists now."""
    kind: InventoryKind = find("inventory", inventory.kind)
    if kind.fault:
        return FetchResult(inventory.name, fault=kind.fault)
    try:
        reading = kind.read(inventory, origin)
    except UsageFault as fault:
        return FetchResult(inventory.name, fault=str(fault))
    return FetchResult(inventory.name, _select_nodes(reading, inventory.match) if inventory.match else reading)


def _select_nodes(reading: Reading, match: Iterable[str]) -> Reading:
    """Return `reading` with the nodes whose labels match: one of the values wanted for each label that is named."""
    from plabctl.inventories.node_list import matches, read_match

    wanted = read_match(match)
    return replace(reading, nodes=tuple(node for node in reading.nodes if matches(node.variables, wanted)))
