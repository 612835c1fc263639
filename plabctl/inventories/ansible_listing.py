"""Take apart what `ansible-inventory --list` prints.

Pure. Only what plabctl can use is taken: address, port, user, `recipe`, `site` and the groups. All other variables are
left where they are, because secrets are among them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from plabctl.core.names import fold_name
from plabctl.errors import UsageFault
from plabctl.inventories.reading import MAX_VALUE, Row, quote_text
from plabctl.inventories.row_parsers import refuse_many

GROUPS_LABEL = "groups"
_VARIABLES = {
    "ssh_host": ("ansible_host", "ansible_ssh_host"),
    "ssh_port": ("ansible_port", "ansible_ssh_port"),
    "ssh_user": ("ansible_user", "ansible_ssh_user"),
    "ssh_jump": ("ssh_jump",),
    "recipe": ("recipe",),
    "site": ("site",),
}
"""What each variable of ours is called by Ansible, now and in former times."""
_SSH = {"ssh", "smart", "paramiko", "paramiko_ssh"}
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
MAX_MEMBERSHIPS = 4_000_000
"""How many pairs of a host and a group there may be, groups of groups counted."""
_BUILTIN_GROUPS = {"all", "ungrouped", "_meta"}


def parse_ansible(text: str, where: str, groups: Collection[str] = ()) -> Iterator[Row]:
    """Yield a row for each host in `groups` (none: all), with its groups as the variable `groups`.

    Raise UsageFault when it is no listing, and for a group that there is none of.
    """
    import json

    refuse_many(text, where)
    try:
        listing = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: ansible-inventory printed no JSON") from error
    if not isinstance(listing, dict) or not all(isinstance(group, dict) for group in listing.values()):
        raise UsageFault(f"{where}: ansible-inventory printed no listing of groups")
    hostvars = _read_dict(_read_dict(listing.get("_meta")).get("hostvars"))
    found = _find_groups(listing, where)
    wanted = _find_wanted(groups, listing, found, where)
    for host in dict.fromkeys([*found, *hostvars]):
        if not wanted or not wanted.isdisjoint(found.get(host, ())):
            yield from _parse_host(str(host), _read_dict(hostvars.get(host)), found.get(host, set()))


def _find_wanted(
    groups: Collection[str], listing: Mapping[str, object], found: Mapping[str, set[str]], where: str
) -> set[str]:
    """Return the groups that are asked for; none when all hosts are. Raise UsageFault for one that there is none of."""
    if "all" in groups:
        return set()
    known = {*listing, *(group for own in found.values() for group in own)}
    unknown = sorted({*groups} - known - _BUILTIN_GROUPS)
    if unknown:
        raise UsageFault(f"{where}: no group is called {', '.join(map(quote_text, unknown))}")
    return set(groups)


def _parse_host(host: str, given: Mapping[str, object], groups: Collection[str]) -> Iterator[Row]:
    place = f"host {quote_text(host)}"
    connection = str(given.get("ansible_connection") or "ssh").rpartition(".")[2]
    if connection == "local" and fold_name(host) in _THIS_MACHINE:
        return
    if connection not in _SSH and "{" not in connection:
        # It has no name here: it is no node of ours, and leaves if it was one.
        yield Row(place, "", {}, note=f"it is reached by {quote_text(connection)}, not by ssh")
        return
    variables, fault = _read_variables(given)
    if own := ",".join(sorted({*groups} - _BUILTIN_GROUPS)):
        variables[GROUPS_LABEL] = own if len(own) <= MAX_VALUE else own[: MAX_VALUE + 1].rpartition(",")[0]
    yield Row(place, host, variables, fault)


def _read_variables(given: Mapping[str, object]) -> tuple[dict[str, str], str]:
    """Return the variables that we know, and what is wrong with one of them."""
    found: dict[str, str] = {}
    for name, keys in _VARIABLES.items():
        values = {key: _unwrap(given.get(key)) for key in keys}
        key = next((key for key, value in values.items() if value is not None and value != ""), None)
        if key is None:
            continue
        value = values[key]
        if isinstance(value, dict) and "__ansible_vault" in value:
            return found, f"{key} is encrypted by ansible-vault"
        if isinstance(value, bool) or not isinstance(value, str | int):
            return found, f"{key} is neither text nor number"
        if isinstance(value, str) and "{{" in value:
            return found, f"{key} is {quote_text(value)}, a template that ansible-inventory does not fill in"
        found[name] = str(value)
    return found, ""


def _unwrap(value: object) -> object:
    """Return a value without the mark that versions before 2.19 give to texts from outside."""
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


def _read_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _find_groups(listing: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, set[str]]:
    """Return the groups each host is in, also through groups of groups; raise UsageFault when these are too many."""
    parents: dict[str, set[str]] = {}
    for name, group in listing.items():
        for child in _list_names(group.get("children")):
            parents.setdefault(child, set()).add(name)
    found: dict[str, set[str]] = {}
    count = 0
    for name, group in listing.items():
        if not (hosts := _list_names(group.get("hosts"))):
            continue
        above = _list_ancestors(name, parents)
        count += len(above) * len(hosts)
        if count > MAX_MEMBERSHIPS:
            raise UsageFault(f"{where}: hosts are in more than {MAX_MEMBERSHIPS:,} groups together")
        for host in hosts:
            found.setdefault(host, set()).update(above)
    return found


def _list_names(value: object) -> list[str]:
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
