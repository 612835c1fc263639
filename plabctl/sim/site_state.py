"""One site of a simulated testbed as the state that the core reads when a node of it has failed.

Pure. Only what `plabctl.core.neighbours` asks for is here: rows of the nodes that could be called, and their members.
Tests: `tests/sim/test_site_state.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from plabctl.core.due_rows import NodeFields, Row
from plabctl.core.guard.model import UNGUARDED
from plabctl.core.model import Claim, Member, Node
from plabctl.core.neighbours import call_neighbours
from plabctl.core.notes import Notes
from plabctl.core.settings import Settings
from plabctl.core.state import State


class SiteState:
    """The nodes of one site that may be called, by name, and the one that failed."""

    def __init__(self, site_label: str, site: str, members: Mapping[str, Member], failed: Member) -> None:
        self.claims: Mapping[str, Claim] = {}
        self.notes: Notes = {}
        self._members = members
        self._failed = failed
        self._variables = {site_label: site}

    def node(self, name: str) -> Node:
        """Return the node of that name."""
        return Node(name, self._variables)

    def member(self, name: str) -> Member | None:
        """Return the member of that name, if it may be called."""
        return self._members.get(name)

    def select(self, fields: NodeFields[Row]) -> Iterator[Row]:
        """Return these fields of the nodes that may be called."""
        return (fields.read(self.node(name), member) for name, member in self._members.items())

    def call(self, settings: Settings, what: str, now: float) -> list[Member]:
        """Return the members that are asked early, because the node that failed did `what`."""
        name = self._failed.node
        state = cast("State", self)
        return call_neighbours(state, settings, {name: what}, {name: self._failed}, now, UNGUARDED)
