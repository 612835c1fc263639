"""Nodes that a person names: made from words or from a file, and checked against the configuration.

I/O: reads the file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from plabctl.app.context import App
from plabctl.core.model import Node
from plabctl.core.names import fold_name, is_host
from plabctl.core.selection import split_words
from plabctl.errors import UsageFault
from plabctl.inventories.base import decode_text
from plabctl.inventories.node_list import find_name_fault, parse_nodes, parse_settings, refuse_misspelt
from plabctl.inventories.reading import quote_text
from plabctl.inventories.row_parsers import expand_word
from plabctl.store.tables import pause_collection

MAX_BYTES = 64 * 1024**2


def parse_names(app: App, names: Sequence[str], settings: Sequence[str]) -> list[Node]:
    """Return nodes of these names (`user@name` sets `ssh_user`), else with the same variables.

    Raise UsageFault for what is invalid.
    """
    variables = parse_settings(settings)
    users, given = _split_users(split_words(names))
    faults = [fault for name in given if (fault := find_name_fault(name, variables))]
    counts = Counter(map(fold_name, given))
    faults += [f"{quote_text(name)} is given twice" for name, count in sorted(counts.items()) if count > 1]
    if faults:
        raise UsageFault("\n".join(faults), hint=_find_hint(given))
    if not given:
        raise UsageFault("no node is named", hint="plabctl node add NAME")
    try:
        own = {
            name: parse_settings([f"ssh_user={user}"]) if user not in {"", app.settings.ssh.user} else {}
            for name, user in users.items()
        }
    except UsageFault as fault:
        raise UsageFault(str(fault), hint="nothing was changed") from fault
    return _check_nodes(app, [Node(name, {**own[name], **variables}) for name in given])


def _split_users(words: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the user that each name is given with in `user@name`, empty for none, and the names."""
    users, names = {}, []
    for word in words:
        for each in expand_word(word):
            user, _, name = each.rpartition("@")
            users[name] = user
            names.append(name)
    return users, names


def _find_hint(names: Sequence[str]) -> str:
    """Return what helps with names that are refused."""
    for name in names:
        host, _, port = name.rpartition(":")
        if port.isdigit() and is_host(host) and not is_host(name):
            return f"the port is a variable: plabctl node add {host} --set ssh_port={port}"
    return "nothing was changed"


def parse_changes(app: App, words: Sequence[str], unset: Sequence[str]) -> dict[str, str]:
    """Return the variables that `words` such as `site=here` set; raise UsageFault for what is invalid."""
    settings = parse_settings(words)
    for key in unset:
        refuse_misspelt(key)
    if both := sorted(settings.keys() & set(unset)):
        raise UsageFault(f"{quote_text(both[0])} is both set and unset")
    if not settings and not unset:
        raise UsageFault("no variable is named", hint="plabctl node set NODES KEY=VALUE... or --unset KEY")
    _check_nodes(app, [Node("", settings)])
    return settings


def read_nodes(app: App, path: str) -> list[Node]:
    """Return the nodes in the file, or of standard input for `-`; raise UsageFault for what is invalid."""
    where = "standard input" if path == "-" else path
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UsageFault(f"{where}: more than {MAX_BYTES // 1024**2} MiB")
        text = decode_text(raw, where)
    except OSError as error:
        raise UsageFault(f"{where} cannot be read: {error.strerror or error}") from error
    with pause_collection():
        return _check_nodes(app, parse_nodes(text, where))


def _check_nodes(app: App, nodes: list[Node]) -> list[Node]:
    recipes = app.settings.recipes
    own = {node.name: node.variables["recipe"] for node in nodes if "recipe" in node.variables}
    faults = [
        f"{f'{name!r}: ' if name else ''}no recipe is named {quote_text(recipe)}"
        for name, recipe in own.items()
        if recipe not in recipes
    ]
    if faults:
        raise UsageFault("\n".join(faults), hint=f"the recipes are: {', '.join(recipes)}")
    return nodes
