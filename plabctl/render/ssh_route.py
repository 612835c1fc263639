"""How a node is reached over SSH, as a table for people and as JSON.

Pure.
Tests: `tests/app/test_explain_ssh.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from plabctl.render.data_formats import format_document
from plabctl.render.listing import Cell, Column, Listing
from plabctl.values import fields
from plabctl.views.ssh_route import SshRoute


class RouteRow(NamedTuple):
    """One line: what it is about, what it says, and where that comes from."""

    setting: str
    value: str
    origin: str


# The value comes last, so that a long one makes no other line longer.
_COLUMNS = (
    Column("SETTING", lambda row: Cell(row.setting)),
    Column("FROM", lambda row: Cell(row.origin, "faint")),
    Column("VALUE", lambda row: Cell(row.value)),
)


def build_listing(route: SshRoute) -> Listing:
    """Return the table; a list has a line for each of its parts."""
    return Listing("settings", list(_list_rows(route)), RouteRow._fields, _COLUMNS)


def format_json(route: SshRoute) -> str:
    """Return the route for programs."""
    return format_document(route)


def _list_rows(route: SshRoute) -> Iterator[RouteRow]:
    for each in fields(type(route)):
        if each.name == "node":
            continue
        value, origin = getattr(route, each.name)
        name = each.name if each.name == "known_hosts" else each.name.replace("_", " ")
        texts = value if isinstance(value, tuple) else (str(value),)
        if each.name == "host_key" and not texts:
            yield RouteRow(name, f"none: {origin}", "")
            continue
        for number, text in enumerate(texts or ("none",)):
            yield RouteRow("" if number else name, text, "" if number else origin)
