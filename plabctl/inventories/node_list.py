"""Nodes written down as text: a plain list, CSV with a header, or JSON.

Pure. Whether the nodes make sense with a configuration is for others to say. The forms are taken apart in
`plabctl.inventories.row_parsers`; here names and variables are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from zlib import crc32

from plabctl.core.model import Node
from plabctl.core.names import (
    NAME_BEGIN,
    NO_JUMP,
    RESERVED,
    build_variable_name,
    fold_name,
    is_alias,
    is_hop,
    is_host,
    is_label_name,
    is_server,
    split_jump,
    split_label,
)
from plabctl.errors import UsageFault
from plabctl.inventories.reading import KNOWN_VARIABLES, MAX_VALUE, Reading, Row, quote_text
from plabctl.inventories.row_parsers import parse_rows
from plabctl.inventories.tidy_row import tidy_row

MAX_VARIABLES = 256 * 1024
"""Bytes of all variables of a node: they are given to every command that its recipe runs."""
MAX_FAULTS = 20
"""How many faults are told; a wrong file may have one on each of its 100,000 lines."""
_MAX_PLACES = 10
_MAX_PORT = 65535


def parse_nodes(text: str, where: str, source: str = "operator") -> list[Node]:
    """Return the nodes in `text`; raise UsageFault with every fault, as `WHERE:LINE: what`, or if there is none.

    A plain list has one node a line, with its variables as `key=value` after the name; `#` begins a remark. CSV has a
    header: one column gives the names, the others are variables, empty cells are none. JSON is a list of names, or of
    objects with a name. `plabctl.inventories.row_parsers` tells the forms apart.
    """
    reading = check_rows(parse_rows(text, where), where, source)
    if reading.faults:
        raise UsageFault("\n".join(reading.faults), hint="nothing was changed")
    if not reading.nodes:
        raise UsageFault(f"{where} names no node")
    return list(reading.nodes)


def check_rows(rows: Iterable[Row], where: str, source: str, match: Iterable[str] = ()) -> Reading:
    """Return the nodes that `rows` name, and the faults of single rows: a name, a variable, a repeat that differs.

    A bad row is no fault where its labels show that it is none of the nodes that `match` asks for.
    A node that one row is bad for is left out, whatever other rows say of it. Equal repeats are one node.
    """
    faults, notes, wanted = _Told(where), _Told(where), read_match(match)
    bad_names: set[str] = set()
    guessed: set[str] = set()
    nodes: dict[str, Node] = {}
    first: dict[str, str] = {}
    differing: dict[str, list[str]] = {}
    for row in map(tidy_row, rows):
        name = fold_name(row.name)
        if row.note:
            notes.add(row.place, row.note)
        elif fault := row.fault or find_name_fault(row.name, row.variables) or find_variables_fault(row.variables):
            if is_unwanted(row, wanted):
                continue
            faults.add(row.place, fault, row.name)
            if is_alias(row.name):
                bad_names.add(name)
            elif begin := re.match(NAME_BEGIN, name):
                guessed.add(begin[0])  # in `pc1,site=x` a person sees pc1
        elif name not in nodes:
            nodes[name] = Node(row.name, row.variables, source)
            first[name] = row.place
        elif nodes[name].variables != row.variables:
            differing.setdefault(name, [first[name]]).append(row.place)
    lines = [*faults.lines, *_tell_differing(differing, nodes, where, MAX_FAULTS - len(faults.lines))]
    if more := faults.count + len(differing) - len(lines):
        lines.append(f"... and {more} more")
    bad_names.update(differing, guessed - nodes.keys())
    good = (node for name, node in nodes.items() if name not in bad_names)
    bad_row_count = faults.count + sum(map(len, differing.values()))
    digest = faults.compute_digest(differing)
    return Reading(
        tuple(good), tuple(lines), frozenset(bad_names), bad_row_count, tuple(notes.lines), notes.count, digest
    )


class _Told:
    """What is said of single rows: the first lines of it, and how many there are."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.lines: list[str] = []
        self.count = 0
        self._sum = 0

    def add(self, place: str, text: str, name: str = "") -> None:
        """Say `text` of the row at `place`, which is about `name`."""
        self.count += 1
        self._sum += _hash_text(name, text)
        if self.count <= MAX_FAULTS:
            self.lines.append(f"{_format_place(self._where, place)}: {text}")

    def compute_digest(self, names: Iterable[str]) -> str:
        """Return what tells these rows and `names` from others, in whatever order they are; nothing of none."""
        total = self._sum + sum(map(_hash_text, names))
        return f"{total % 2**64:016x}" if total else ""


def _hash_text(*texts: str) -> int:
    return crc32(chr(0).join(texts).encode(errors="replace"))


def read_match(words: Iterable[str]) -> dict[str, set[str]]:
    """Return the values that are wanted of each label that `words` such as `site=oslo` name."""
    wanted: dict[str, set[str]] = {}
    for word in words:
        label, _, value = word.partition("=")
        wanted.setdefault(label, set()).add(value)
    return wanted


def matches(variables: Mapping[str, str], wanted: Mapping[str, set[str]]) -> bool:
    """Return whether labels are as wanted: one of the values for each label that is named."""
    return all(values & split_label(variables.get(label)) for label, values in wanted.items())


def is_unwanted(row: Row, wanted: Mapping[str, set[str]]) -> bool:
    """Return whether the labels of a bad row show that it is none of the nodes wanted; some may be missing in it."""
    known = {label: values for label, values in wanted.items() if label in row.variables}
    return not matches(row.variables, known)


def _tell_differing(
    differing: Mapping[str, Sequence[str]], nodes: Mapping[str, Node], where: str, limit: int
) -> Iterator[str]:
    """Yield a fault for each of the first `limit` nodes that have several rows, with their places."""
    for name, places in islice(differing.items(), limit):
        yield (
            f"{_format_place(where, places[1])}: {quote_text(nodes[name].name)} is there {len(places)} times, each "
            f"time with other variables: {_format_places(places)}"
        )


def parse_settings(words: Sequence[str]) -> dict[str, str]:
    """Return the variables that `words` such as `site=here` set; raise UsageFault for one that sets none.

    A person who types what is nearly a name that plabctl knows, such as `ssh-host`, means that one: it is refused.
    """
    variables: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageFault(f"{quote_text(word)} sets nothing", hint="write it like site=north")
        refuse_misspelt(key)
        variables[key] = value
    if fault := find_variables_fault(variables):
        raise UsageFault(fault)
    return variables


def refuse_misspelt(key: str) -> None:
    """Raise UsageFault when `key` is nearly the name of a variable that plabctl knows, and none."""
    if key in KNOWN_VARIABLES:
        return
    plain = key.lower().replace("-", "").replace("_", "").replace(".", "")
    nearest = next((known for known in KNOWN_VARIABLES if known.replace("_", "") == plain), None)
    if nearest is None and plain.startswith("ssh"):
        import difflib  # only a typing error needs it

        nearest = next(iter(difflib.get_close_matches(key.lower(), KNOWN_VARIABLES, 1, 0.8)), None)
    if nearest:
        raise UsageFault(f"plabctl knows no variable {quote_text(key)}", hint=f"did you mean {nearest}?")


def find_name_fault(name: str, variables: Mapping[str, str]) -> str:
    """Return what is wrong with a node's name, empty when nothing is; its `variables` may say its address."""
    if is_host(name) or ("ssh_host" in variables and is_alias(name)):
        return ""
    missing = ": ssh_host must say its address" if is_alias(name) else ""
    return f"{quote_text(name)} is neither a host name nor an address{missing}"


def find_variables_fault(variables: Mapping[str, str]) -> str:
    """Return what is wrong with the variables of a node, empty when nothing is."""
    total = 0
    exported: dict[str, str] = {}
    for key, value in variables.items():
        fault, variable = _judge_key(key)
        if fault := fault or _find_fault(key, value):
            return fault
        if (other := exported.setdefault(variable, key)) != key:
            return f"{other!r} and {key!r} are both PLABCTL_{variable} in recipes: rename one of them"
        total += len(key) + len(value.encode(errors="replace"))
    if total > MAX_VARIABLES:
        return f"its variables have {total} bytes together, allowed: at most {MAX_VARIABLES}"
    return ""


@lru_cache(maxsize=1024)  # a list has few keys, each in thousands of rows
def _judge_key(key: str) -> tuple[str, str]:
    """Return what is wrong with a key, and what it is called in recipes."""
    variable = build_variable_name(key)
    if not is_label_name(key):
        fault = f"{quote_text(key)} cannot name a variable: letters, digits, '_', '-' and '.', a letter first"
    elif variable in RESERVED:
        fault = f"{key!r} cannot name a variable: plabctl itself uses PLABCTL_{variable}, take another name"
    else:
        fault = ""
    return fault, variable


def _find_fault(key: str, value: str) -> str:
    if len(value) > MAX_VALUE or not value.isprintable():
        fault = f"the value of {key!r} must be at most {MAX_VALUE} printable characters"
    elif key == "ssh_port" and not (value.isascii() and value.isdigit() and 0 < int(value) <= _MAX_PORT):
        fault = f"ssh_port is {quote_text(value)}, not a port from 1 to {_MAX_PORT}"
    elif key == "ssh_host" and not is_server(value):
        fault = f"ssh_host is {quote_text(value)}, neither a host name nor an address"
    elif key == "ssh_key" and not value.startswith(("/", "~")):
        fault = f"ssh_key is {quote_text(value)}, not an absolute path"
    elif key == "ssh_user" and (not value or value.startswith("-") or " " in value):
        fault = f"ssh_user is {quote_text(value)}, no user name"
    elif key == "ssh_jump" and not all(map(is_hop, split_jump(value))):
        fault = f"ssh_jump is {quote_text(value)}, neither {NO_JUMP!r} nor jump hosts like user@host:port, by commas"
    else:
        fault = ""
    return fault


def _format_place(where: str, place: str) -> str:
    """Return a place as editors read it: `FILE:LINE`, or `FILE: item N`."""
    return f"{where}:{place}" if place.isdigit() else f"{where}: {place}"


def _format_places(places: Sequence[str]) -> str:
    few = ", ".join(places[:_MAX_PLACES]) + (" ..." if len(places) > _MAX_PLACES else "")
    return f"lines {few}" if places[0].isdigit() else few
