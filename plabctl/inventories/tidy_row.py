"""Read the labels of a row as they were meant: Ansible's names for ours, and titles that are names of our own.

Pure. A list that others keep has titles that nobody chose for plabctl: they cost no node.
Tests: `tests/inventories/test_node_list.py`.
"""

from __future__ import annotations

from plabctl.core.names import RESERVED, build_variable_name
from plabctl.inventories.reading import Row

_MEANT = {
    "ansible_host": "ssh_host",
    "ansible_ssh_host": "ssh_host",
    "ansible_port": "ssh_port",
    "ansible_ssh_port": "ssh_port",
    "ansible_user": "ssh_user",
    "ansible_ssh_user": "ssh_user",
}
_SUFFIX = "_label"
_RESERVED = frozenset(form for name in RESERVED for form in (name, name.lower(), name.capitalize()))
_CHANGED = _MEANT.keys() | _RESERVED | {"ssh_port"}


def tidy_row(row: Row) -> Row:
    """Return `row` with the variables that its labels stand for; `pool`, which recipes have already, is `pool_label`.

    A port is a whole number, also where a spreadsheet made `22.0` of it. What a row says by our own names counts more.
    """
    given = row.variables
    if row.name.endswith(".") or given.get("ssh_host", "").endswith("."):
        row = _strip_root(row)
        given = row.variables
    if _CHANGED.isdisjoint(given):
        return row
    found = {
        key: value for key, value in given.items() if key not in _MEANT and build_variable_name(key) not in RESERVED
    }
    for key, value in given.items():
        if key in _MEANT:
            found.setdefault(_MEANT[key], value)
        elif build_variable_name(key) in RESERVED:
            found.setdefault(f"{key.lower()}{_SUFFIX}", value)
    port, _, fraction = found.get("ssh_port", "").partition(".")
    if port and fraction and not fraction.strip("0"):
        found["ssh_port"] = port
    return row._replace(variables=found)


def _strip_root(row: Row) -> Row:
    """Return `row` without the dot that names have at their end where they come from a zone of the DNS."""
    variables = dict(row.variables)
    if "ssh_host" in variables:
        variables["ssh_host"] = variables["ssh_host"].removesuffix(".")
    return row._replace(name=row.name.removesuffix("."), variables=variables)
