"""The inventory `ansible`: nodes out of what `ansible-inventory --list` prints.

I/O: runs that command. Only what plabctl can use is taken: address, port, user, `recipe`, `site` and the groups. All
other variables are left where they are, because secrets are among them.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted
from plabctl.inventories.base import InventoryKind, decode_text, run_lister
from plabctl.inventories.reading import Reading, Row
from plabctl.inventories.row_parsers import refuse_many
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin

GROUPS_LABEL = "groups"
_RENAMED = {
    "ansible_host": "ssh_host",
    "ansible_port": "ssh_port",
    "ansible_user": "ssh_user",
    "recipe": "recipe",
    "site": "site",
}
MAX_MEMBERSHIPS = 4_000_000
"""How many pairs of a host and a group there may be, groups of groups counted."""
_BUILTIN_GROUPS = {"all", "ungrouped", "_meta"}


@dataclass(frozen=True, slots=True)
class AnsibleOptions:
    """What only an inventory of this kind can be told."""

    path: str = ""


class AnsibleKind(InventoryKind):
    """An inventory of Ansible's, in whatever form Ansible reads."""

    name = "ansible"
    help = "an Ansible inventory, read by `ansible-inventory`"
    keys = Table(
        "inventory.ansible",
        AnsibleOptions(),
        Key("path", FilePath(), text="The inventory: a file or a folder.", example='"hosts.yml"', required=True),
    )

    def identify(self, options: AnsibleOptions) -> str:
        """Return the path."""
        return options.path

    def suggest_name(self, options: AnsibleOptions) -> str:
        """Return the name of the file."""
        return os.path.basename(os.path.normpath(options.path))

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the hosts that Ansible lists."""
        from plabctl.inventories.node_list import check_rows

        assert isinstance(own.options, AnsibleOptions), "the configuration fills it"
        path = own.options.path
        _refuse_untrusted(path, origin)
        printed = run_lister(("ansible-inventory", "-i", path, "--list"), own.timeout_s, origin)
        return check_rows(parse_ansible(decode_text(printed, path), path), path, own.name)

    def list_named_files(self, options: AnsibleOptions) -> Iterator[tuple[str, bool]]:
        """Yield the inventory, which may be a program or name plug-ins."""
        yield options.path, True


ANSIBLE = AnsibleKind()


def _refuse_untrusted(path: str, origin: Origin) -> None:
    """Raise UsageFault when others could change the inventory, which may be a program or name plug-ins."""
    try:
        with suppress(OSError):  # Ansible reports it
            os.close(open_trusted(path, os.O_PATH, owners=origin.owners).fd)
    except Untrusted as error:
        raise UsageFault(f"{path}: not read: {error}") from error


def parse_ansible(text: str, where: str) -> Iterator[Row]:
    """Yield a row for each host, its groups as the variable `groups`; raise UsageFault when it is no listing."""
    import json

    refuse_many(text, where)
    try:
        listing = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: ansible-inventory printed no JSON") from error
    if not isinstance(listing, dict) or not all(isinstance(group, dict) for group in listing.values()):
        raise UsageFault(f"{where}: ansible-inventory printed no listing of groups")
    hostvars = _read_dict(_read_dict(listing.get("_meta")).get("hostvars"))
    groups = _find_groups(listing, where)
    for number, host in enumerate(dict.fromkeys([*groups, *hostvars]), 1):
        variables = _read_variables(_read_dict(hostvars.get(host)))
        if groups.get(host):
            variables[GROUPS_LABEL] = ",".join(sorted(groups[host]))
        yield Row(f"host {number}", str(host), variables)


def _read_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_variables(given: Mapping[str, object]) -> dict[str, str]:
    found = {}
    for key, name in _RENAMED.items():
        value = given.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            found[name] = str(value)
    return found


def _find_groups(listing: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, set[str]]:
    """Return the groups each host is in, also through groups of groups; raise UsageFault when these are too many."""
    parents: dict[str, set[str]] = {}
    for name, group in listing.items():
        for child in _names(group.get("children")):
            parents.setdefault(child, set()).add(name)
    found: dict[str, set[str]] = {}
    count = 0
    for name, group in listing.items():
        if not (hosts := _names(group.get("hosts"))):
            continue
        above = _list_ancestors(name, parents) - _BUILTIN_GROUPS
        count += len(above) * len(hosts)
        if count > MAX_MEMBERSHIPS:
            raise UsageFault(f"{where}: hosts are in more than {MAX_MEMBERSHIPS:,} groups together")
        for host in hosts:
            found.setdefault(host, set()).update(above)
    return found


def _names(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _list_ancestors(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting.extend(parents.get(group, ()))
    return found
