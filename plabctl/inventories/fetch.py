"""Read an inventory as it is now, whatever its kind.

I/O. Never raises and always ends: what went wrong is in the result, and it changes nothing then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from plabctl.core.model import Node
from plabctl.core.names import split_label
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
    wanted: dict[str, set[str]] = {}
    for word in match:
        label, _, value = word.partition("=")
        wanted.setdefault(label, set()).add(value)

    def is_wanted(node: Node) -> bool:
        return all(values & split_label(node.variables.get(label)) for label, values in wanted.items())

    return replace(reading, nodes=tuple(filter(is_wanted, reading.nodes)))
