"""Break a text that lists nodes into rows: plain lists, hosts files, JSON; CSV and ssh_config have modules beside this.

Pure. Says only what the form of the text demands; whether names and variables are right is judged in
`plabctl.inventories.node_list`, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from plabctl.core.names import fold_name, is_address
from plabctl.errors import UsageFault
from plabctl.inventories.reading import KNOWN_VARIABLES, MAX_VALUE, Row, quote_text

MAX_ITEMS = 4_000_000
"""How many commas, lines or brackets a listing may have: each becomes a value of its own, of many times its size."""
MAX_EXPANDED = 200_000
"""How many nodes the sets of a list, such as `n[1-12]`, may stand for together."""
_SECTION = r"\[[A-Za-z_][\w.:-]*\]"
_LITERAL = r"\[(?P<address>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\]"
_ENDPOINT = rf"(?:(?P<user>[^@\s]+)@)?(?:{_LITERAL}|(?P<host>[^@:\s]+))(?::(?P<port>[0-9]+))?"
"""A name as it is typed for SSH: `user@host`, `host:port`, `[address]:port`."""
_NO_CONTENT = r"\s*(?:[#]|//|;(?:\s|$)|$)"
"""How a line begins that says nothing: a remark, or a blank one."""
_REMARKS = ("#", "//")
_NODE_LISTS = ("nodes", "hosts", "results", "items")
"""The keys under which programs put a list of nodes into a JSON object."""
_NO_VARIABLES: Mapping[str, str] = {}
"""Of every row that has none: a million rows need no dictionary each."""
_NO_MACHINES = ("0.", "127.", "255.255.255.255", "::1", "fe00::", "ff")
"""How addresses in a hosts file begin that are this machine or none."""


def parse_rows(text: str, where: str) -> Iterator[Row]:
    """Yield the rows of `text`, whatever form it has; raise UsageFault when it has none as a whole.

    JSON begins with a bracket. CSV has a header: titles between commas, semicolons or tabs, one of them a usual title
    for names. An ssh_config has lines `Host NAME` and `HostName ADDRESS`. All else is a plain list.
    """
    from plabctl.inventories import csv_rows, ssh_config_rows

    text = text.removeprefix("\ufeff")
    refuse_many(text, where)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if not re.match(_NO_CONTENT, line)), "")
    begin = text.lstrip()[:1]
    is_json = begin == "{" or (begin == "[" and not re.fullmatch(f"{_SECTION}|{_LITERAL}.*", first.strip()))
    if not is_json and any(re.fullmatch(_SECTION, line.strip()) for line in lines if line.lstrip().startswith("[")):
        raise UsageFault(f"{where}: looks like an inventory of Ansible", hint='read it with kind = "ansible"')
    if is_json:
        return _parse_json(text, where)
    if ssh_config_rows.is_ssh_config(lines):
        return ssh_config_rows.parse_ssh_config(lines, where)
    if separator := csv_rows.find_separator(first):
        return csv_rows.parse_csv(lines, separator, where)
    return _parse_plain(lines, where)


def refuse_many(text: str, where: str) -> None:
    """Raise UsageFault when `text` has so many items that it would take all memory, before it is taken apart."""
    if max(map(text.count, ",\n[{")) > MAX_ITEMS:
        raise UsageFault(f"{where}: more than {MAX_ITEMS:,} items are not a list of nodes")


def _parse_plain(lines: Iterable[str], where: str) -> Iterator[Row]:
    from plabctl.inventories.csv_rows import is_header

    in_hosts_file: set[str] = set()
    is_first = True
    expanded_count = 0
    for number, line in enumerate(lines, 1):
        words = line.split()
        end = _find_remark(words) if "#" in line or ";" in line or "//" in line else len(words)
        is_title = is_first and is_header(words[:end])
        is_first = is_first and not end
        if is_title:
            continue
        if end > 1 and "=" not in words[1] and is_address(words[0].partition("%")[0]):
            yield from _parse_hosts_row(str(number), words[:end], in_hosts_file)
        elif end:
            variables, fault = _parse_variables(words[1:end]) if end > 1 else (_NO_VARIABLES, "")
            names = expand_word(words[0])
            expanded_count += len(names) - 1
            if expanded_count > MAX_EXPANDED:
                raise UsageFault(f"{where}:{number}: sets of more than {MAX_EXPANDED:,} nodes together")
            for name in names:
                yield _split_endpoint(Row(str(number), name, variables, fault))


def _find_remark(words: Sequence[str]) -> int:
    """Return where a remark begins: at the start or after a blank, so that a value may have a `#` in it."""
    return next((place for place, word in enumerate(words) if word == ";" or word.startswith(_REMARKS)), len(words))


def expand_word(word: str) -> list[str]:
    """Return the names that `word`, such as `n[1-12]` or `user@n[1-12]`, stands for; itself if it is no set."""
    user, at, pattern = word.rpartition("@")
    if "[" not in pattern or re.match(_LITERAL, pattern):
        return [word]
    from plabctl.nodesets import expand_nodeset

    try:
        return [f"{user}{at}{name}" for name in expand_nodeset(pattern)]
    except ValueError:
        return [word]


def _split_endpoint(row: Row) -> Row:
    """Return `row` with the user and the port that its name has as variables; what these say outright counts more."""
    if "@" not in row.name and ":" not in row.name:
        return row  # nearly all of a million
    found = re.fullmatch(_ENDPOINT, row.name)
    if not found or row.fault:
        return row
    said = {"ssh_user": found["user"], "ssh_port": found["port"]}
    variables = {**{key: value for key, value in said.items() if value}, **row.variables}
    return row._replace(name=found["address"] or found["host"], variables=variables)


def _parse_hosts_row(place: str, words: list[str], seen: set[str]) -> Iterator[Row]:
    """Yield the machine in a line of a hosts file, as in hosts(5): an address, the name, further names.

    Like a resolver, take the first address of a name; a machine has a line for each of its addresses.
    """
    address, name, *more = words
    folded = fold_name(name)
    if address.startswith(_NO_MACHINES) or folded.startswith("localhost") or folded in seen:
        return
    seen.add(folded)
    variables, fault = _parse_pairs(word for word in more if "=" in word)
    yield Row(place, name, {"ssh_host": address, **variables}, fault)


def _parse_variables(words: list[str]) -> tuple[dict[str, str], str]:
    """Return the variables in what follows a name, where an address may come first, and what is wrong with them."""
    first, *rest = words
    return _parse_pairs([f"ssh_host={first}", *rest] if "=" not in first and is_address(first) else words)


def _parse_pairs(words: Iterable[str]) -> tuple[dict[str, str], str]:
    variables: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            return variables, f"{quote_text(word)} is not key=value"
        if key in variables:
            return variables, f"{quote_text(key)} is set twice"
        variables[key] = value
    return variables, ""


def _parse_json(text: str, where: str) -> Iterator[Row]:
    import json

    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip()[0] == "{":
            return _parse_json_lines(text, where)
        raise UsageFault(f"{where}:{error.lineno}: no JSON: {error.msg.lower()} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: no JSON: nested too deeply or a number too long") from error
    if isinstance(found, dict):
        found = _find_node_list(found)
    if not isinstance(found, list):
        raise UsageFault(f"{where}: JSON must be a list of names, or of objects with a name")
    return (_parse_json_row(f"item {number}", item) for number, item in enumerate(found, 1))


def _parse_json_lines(text: str, where: str) -> Iterator[Row]:
    import json

    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _parse_json_row(str(number), json.loads(line))
            except (ValueError, RecursionError) as error:
                raise UsageFault(f"{where}:{number}: no JSON object on a line of its own") from error


def _find_node_list(found: Mapping[str, object]) -> object:
    """Return the list of nodes in an object: under a usual key, nodes by name, or a node; None when there is none."""
    from plabctl.inventories.csv_rows import find_name_title

    for key in _NODE_LISTS:
        if isinstance(found.get(key), list):
            return found[key]
    if found and all(isinstance(value, dict) for value in found.values()):
        return [{**variables, "name": name} for name, variables in found.items() if isinstance(variables, dict)]
    title = find_name_title(found)
    return None if title is None or not isinstance(found[title], str) else [found]


def _parse_json_row(place: str, item: object) -> Row:
    from plabctl.inventories.csv_rows import find_address_title, find_name_title, take_address

    if isinstance(item, str):
        return Row(place, item, {})
    if not isinstance(item, dict):
        return Row(place, "", {}, "neither a name nor an object with a name")
    key = find_name_title(item)
    name = "" if key is None else _format_value(item.pop(key)) or ""
    variables: dict[str, str] = {}
    for label, value in item.items():
        text = _format_value(value)
        if text is None and label not in KNOWN_VARIABLES and label != find_address_title([label]):
            continue  # it says much of a machine that is nothing to us
        if text is None:
            return Row(place, name, {}, f"the value of {quote_text(label)} is neither text nor number")
        if value is not None and not (isinstance(value, list) and len(text) > MAX_VALUE):
            variables[label] = text
    return Row(place, name, take_address(variables, find_address_title(variables)))


def _format_value(value: object) -> str | None:
    """Return a value of JSON as text, a list with commas; None for an object, and for a list of other than texts."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ",".join(str(_format_value(each)) for each in value)
    return None
