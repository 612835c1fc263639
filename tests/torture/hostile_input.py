"""Hostile names, labels and values at every input: lists, CSV, JSON, other sources, `--set`, configuration, commands.

What is let in must be what it should be; what is refused must be told in lines that are inert themselves.
"""

from __future__ import annotations

import contextlib
import csv
import io
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from plabctl.app.context import open_app
from plabctl.cli import entry
from plabctl.cli.error_report import format_error
from plabctl.core.keys.formatting import quote
from plabctl.core.model import Node
from plabctl.errors import ConfigError, UsageFault
from plabctl.inventories.ansible_listing import parse_ansible
from plabctl.inventories.netbox_devices import Page
from plabctl.inventories.netbox_devices import list_rows as list_device_rows
from plabctl.inventories.node_list import check_rows, parse_nodes, parse_settings
from plabctl.inventories.plcapi import list_rows as list_plc_rows
from tests.lab.harmless_text import find_active
from tests.lab.netbox import make_device

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_COMMANDS = (
    "show", "explain", "status --", "history --", "move x --reason y --", "node rm --", "trust --", "test --",
    "retest --",
    "hold x --reason", "experiment show --", "experiment swapin --count 1 --", "pool show --", "status -o", "status -c",
    "check -c", "history --since", "node import --", "node add x --set", "test x --recipe", "simulate --policy",
    "status --fail-on", "move x --for", "experiment swapin w --all-nodes --match",
    "experiment swapin w --count 1 --hook",
)  # fmt: skip
_KEYS = (
         "{} = 1", "state_dir = {}", "[pool.{}]\nkind = 'good'", "[recipe.{}]", "[ssh]\nuser = {}", "[guard]\n{} = {}",
         "[[hook]]\non = [{}]\ncommand = [{}]", "[[inventory]]\nname = {}\nkind = 'file'\npath = {}", "entry_pool = {}",
         "[recipe.x]\nsetup = {{ run = {}, timeout = {} }}")  # fmt: skip
_CODES = frozenset({0, 1, 2, 3, 74, 75, 78})


def is_name(word: str) -> bool:
    """Return whether `word` is an address, or a host name with underscores allowed: by other means than plabctl's."""
    if 0 < len(word) <= 253 and all(_LABEL.fullmatch(label) for label in word.split(".")):
        return True
    with contextlib.suppress(ValueError):
        return ":" in word and "%" not in word and bool(ipaddress.ip_address(word))
    return False


def faults_of_words(words: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with how the inputs for lists of nodes take each word, as a name, a label and a value."""
    for word in words:
        for name, read in _INPUTS.items():
            try:
                nodes = read(word)
            except UsageFault as fault:
                if found := _of_refusal(fault):
                    yield f"{name}: {word!r}: {found}"
                nodes = []
            is_wanted = name == "json name" and is_name(word)
            if is_wanted != bool(nodes) and name == "json name":
                yield f"{name}: {word!r} is {'refused' if is_wanted else 'let in'}"
            yield from (f"{name}: {word!r}: {found}" for node in nodes if (found := _of_node(node)))


def _csv(cells: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(cells)
    return out.getvalue()


def _by_ansible(word: str) -> list[Node]:
    listing = {word: {"hosts": [word]}, "_meta": {"hostvars": {word: {"ansible_host": word, "site": word}}}}
    return list(check_rows(parse_ansible(json.dumps(listing), "x"), "x", "x").nodes)


def _by_netbox(word: str) -> list[Node]:
    device = make_device(
        1, name=word, primary_ip=None, rack={"name": word}, tags=[{"slug": word}], custom_fields={"own": word}
    )
    return list(check_rows(list_device_rows([Page(1, False, [device])], "x", (), ["own"]), "x", "x").nodes)


def _by_plc(word: str) -> list[Node]:
    node = {"node_id": 1, "hostname": word, "site_id": 2, "boot_state": word}
    return list(check_rows(list_plc_rows([node], [{"site_id": 2, "login_base": word}]), "x", "x").nodes)


_INPUTS: dict[str, Callable[[str], list[Node]]] = {
    "json name": lambda word: parse_nodes(json.dumps([word]), "x"),
    "json value": lambda word: parse_nodes(json.dumps([{"name": "n", "site": word, "ssh_user": word}]), "x"),
    "json label": lambda word: parse_nodes(json.dumps([{"name": "n", word: "v"}]), "x"),
    "json whole": lambda word: parse_nodes(word, "x"),
    "list": lambda word: parse_nodes(f"{word}\nn l={word} {word}={word}\n", "x"),
    "csv": lambda word: parse_nodes(_csv([["name", "l"], [word, word]]), "x"),
    "csv label": lambda word: parse_nodes(_csv([["name", word], ["n", "v"]]), "x"),
    "csv address": lambda word: parse_nodes(_csv([["name", "ssh_host", "ssh_port"], ["n", word, word]]), "x"),
    "ansible": _by_ansible,
    "netbox": _by_netbox,
    "plcapi": _by_plc,
    "--set": lambda word: [Node("n", parse_settings([word, f"l={word}"]))],
}


def _of_refusal(fault: Exception) -> str:
    assert isinstance(fault, UsageFault | ConfigError)
    text = format_error(fault)
    if not all(line.startswith(("plabctl: ", "  hint: ")) for line in text.split("\n")):
        return f"more lines than one: {text!r}"
    return find_active(text)


def _of_node(node: Node) -> str:
    if not is_name(node.name):
        return "is no name, and let in"
    pieces = (node.name, *node.variables, *node.variables.values())
    return next((found for piece in pieces if (found := find_active(piece, "") or (len(piece) > 1000 and "long"))), "")


def faults_of_config(words: Iterable[str], folder: Path) -> Iterator[str]:
    """Yield what is wrong with how a configuration is refused in which each word is a key, a name or a value."""
    path = folder / "hostile.toml"
    for word in words:
        text = quote(word.encode("utf-8", "replace").decode())
        for form in _KEYS:
            path.write_text(form.replace("{}", text).replace("{{", "{").replace("}}", "}"), encoding="utf-8")
            try:
                open_app(str(path))
            except ConfigError as fault:
                if found := _of_refusal(fault):
                    yield f"config {form!r} with {word!r}: {found}"


def faults_of_commands(words: Sequence[str], config: Path) -> Iterator[str]:
    """Yield what is wrong with how commands take each word; every word goes to the next command."""
    for number, word in enumerate(word.replace("\0", "") for word in words):
        start = _COMMANDS[number % len(_COMMANDS)].split()
        yield from _of_command([*start, word], config)
        bare = word.strip()  # blanks around the names of a list mean nothing
        if not is_name(bare) and bare and "," not in word and bare != "-":
            code, _, said = _called(["node", "add", "--", word], config)
            if code != 2 or said.count("\n") != 2:
                yield f"node add {word!r}: {code} {said!r}"


def _of_command(argv: list[str], config: Path) -> Iterator[str]:
    code, out, said = _called(argv, config)
    if code not in _CODES:
        yield f"{argv}: exit {code}: {said!r}"
    if found := find_active(out, "\n\t") or find_active(said, "\n"):
        yield f"{argv}: {found}"
    if "Traceback" in said:
        yield f"{argv}: {said}"


def _called(argv: list[str], config: Path) -> tuple[int, str, str]:
    own = [] if "-c" in argv else ["-c", str(config)]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as said:
        code = entry.main([*own, *argv])
    return code, out.getvalue(), said.getvalue()
