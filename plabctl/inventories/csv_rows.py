"""Break a table of nodes into rows: CSV with commas, semicolons or tabs, and a header.

Pure. A header is told by its titles, as a person would tell it: one of them must be a usual title for names or
addresses, in whatever case, with blanks or without.
Tests: `tests/inventories/test_row_parsers.py`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from plabctl.core.names import is_address, is_label_name
from plabctl.errors import UsageFault
from plabctl.inventories.reading import KNOWN_VARIABLES, MAX_VALUE, Row, quote_text

_NAMES = ("name", "node", "host", "hostname", "nodename", "fqdn")
_ADDRESSES = ("ipaddress", "ip", "ipaddr", "ipv4", "ipv4address", "address", "primaryip", "primaryip4")
_IN_A_TABLE = ("server", "servername", "machine", "machinename", "device", "devicename", "dnsname", "computername")
"""Titles of names beside other columns; alone on the first line of a list they may name a machine."""
_SEPARATORS = ",;\t"
_SAID = rf"sep=([{_SEPARATORS}])"
"""The line before the header by which Excel is told what separates cells."""
_MAX_SHOWN = 20
_DEFUSED = r"'+[=+\-@]"
"""How a cell begins that we wrote so that no spreadsheet takes it for a formula: see `plabctl export csv`."""


class _Header(NamedTuple):
    """What the columns hold."""

    keys: list[str]
    """The variable of each column; empty: none."""
    name_at: int
    address: str
    """The variable of the column of addresses; empty when there is none."""


def find_separator(line: str) -> str:
    """Return what separates the cells of a table whose header is `line`; empty when it is no header."""
    if said := re.fullmatch(_SAID, line.strip(), re.IGNORECASE):
        return said[1]
    for separator in _SEPARATORS:
        if separator in line and find_name_title(_split(line, separator)) is not None:
            return separator
    if _simplify(line) in (*_NAMES, *_ADDRESSES):
        return ","
    plain = re.split(r"\s#", line, maxsplit=1)[0]  # it may be a plain list, with a remark
    return "," if "," in plain and "=" not in plain else ""


def find_name_title(titles: Iterable[str]) -> str | None:
    """Return the title under which the names are; None when there is none."""
    simple: dict[str, str] = {}
    for title in titles:
        simple.setdefault(_simplify(title), title)
    for usual in (_NAMES, _IN_A_TABLE, _ADDRESSES):
        for form, title in simple.items():
            if form in usual:
                return title
    return None


def parse_csv(lines: Sequence[str], separator: str, where: str) -> Iterator[Row]:
    """Yield the rows below the header; raise UsageFault for a header without names and for what is no CSV."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, strict=True, skipinitialspace=True)
    header: _Header | None = None
    try:
        for cells in reader:
            row = [_tidy_cell(cell) for cell in cells]
            if not any(row) or row[0].startswith("#") or (header is None and separator.join(row) == f"sep={separator}"):
                continue
            if header:
                yield _parse_row(str(reader.line_num), header, row)
            else:
                header = _read_header(row, f"{where}:{reader.line_num}")
    except csv.Error as error:
        raise UsageFault(f"{where}:{reader.line_num}: no CSV: {error}") from error


def _tidy_cell(text: str) -> str:
    text = " ".join(text.split())  # a remark may have several lines
    return text[1:] if text.startswith("'") and re.match(_DEFUSED, text) else text


def _read_header(titles: list[str], where: str) -> _Header:
    name = find_name_title(titles)
    if name is None:
        few = ", ".join(map(quote_text, titles[:_MAX_SHOWN])) + (" ..." if len(titles) > _MAX_SHOWN else "")
        raise UsageFault(f"{where}: no column is called 'name' or 'node', there are {few}")
    keys = [_name_variable(title) for title in titles]
    counts = Counter(keys)
    twice = next((title for title, key in zip(titles, keys, strict=True) if key and counts[key] > 1), None)
    if twice is not None:
        raise UsageFault(f"{where}: two columns are called {quote_text(twice)}")
    address = next((key for title, key in zip(titles, keys, strict=True) if _simplify(title) in _ADDRESSES), "")
    return _Header(keys, titles.index(name), address)


def _parse_row(place: str, header: _Header, row: list[str]) -> Row:
    keys = header.keys
    fault = f"{len(row)} cells, but the header has {len(keys)}" if any(row[len(keys) :]) else ""
    cells = {key: value for key, value in zip(keys, row, strict=False) if key and value}
    name = cells.pop(keys[header.name_at], "")
    return Row(place, name, take_address(cells, header.address), fault)


def take_address(variables: dict[str, str], key: str) -> dict[str, str]:
    """Return the variables with the address in `key` as `ssh_host`, where they do not say that outright.

    There may be the length of its network behind it, further addresses, of which the first are kept where all would be
    too long for a variable, or no address but, say, that of a building.
    """
    given = variables.get(key, "")
    if not given:
        return variables
    if len(given) > MAX_VALUE:
        given = re.sub(r"[,;\s]+[^,;\s]*$", "", given[: MAX_VALUE + 1])
        variables = {**variables, key: given}
    first, *more = re.split(r"[,;\s]+", given, maxsplit=1)
    address = first.partition("/")[0]
    if not is_address(address) or "ssh_host" in variables:
        return variables
    kept = variables if more else {name: value for name, value in variables.items() if name != key}
    return {**kept, "ssh_host": address}


def is_header(words: Sequence[str]) -> bool:
    """Return whether `words` stand above a column of names and one of addresses, as in what programs print."""
    return len(words) > 1 and _simplify(words[0]) in _NAMES and _simplify(words[1]) in _ADDRESSES


def find_address_title(titles: Iterable[str]) -> str:
    """Return the title under which the addresses are; empty when there is none."""
    return next((title for title in titles if _simplify(title) in _ADDRESSES), "")


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


@lru_cache(maxsize=1024)  # each object of JSON has the same few keys
def _simplify(title: str) -> str:
    return re.sub(r"[\s_.-]", "", title.strip().strip('"')).lower()


def _name_variable(title: str) -> str:
    """Return the variable for a title: itself where it can name one, else in small letters with underscores."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    return title if is_label_name(title) and plain not in KNOWN_VARIABLES else plain or title
