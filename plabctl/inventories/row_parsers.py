"""Break a text that lists nodes into rows: plain lists, CSV, JSON.

Pure. Says only what the form of the text demands; whether names and variables are right is judged in
`plabctl.inventories.node_list`, row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from plabctl.errors import UsageFault

NAME_COLUMNS = ("name", "node", "host", "hostname")
"""What the column, or the key, of the names may be called."""
MAX_ITEMS = 4_000_000
"""How many commas, lines or brackets a listing may have: each becomes a value of its own, of many times its size."""
_SHOWN = 60
_MAX_SHOWN = 20


class Row(NamedTuple):
    """One node as the text has it. `place` is where: a line number, or `item N` of JSON."""

    place: str
    name: str
    variables: Mapping[str, str]
    fault: str = ""
    """What is wrong with the form of this row."""


def parse_rows(text: str, where: str) -> Iterator[Row]:
    """Yield the rows of `text`, whatever form it has; raise UsageFault when it has none as a whole.

    JSON begins with a bracket; CSV has a comma in its first line that is no remark; all else is a plain list.
    """
    text = text.removeprefix("\ufeff")
    refuse_many(text, where)
    if text.lstrip()[:1] in {"[", "{"}:
        return _parse_json(text, where)
    lines = text.replace("\r\n", "\n").split("\n")
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    return _parse_csv(lines, where) if "," in first else _parse_plain(lines)


def refuse_many(text: str, where: str) -> None:
    """Raise UsageFault when `text` has so many items that it would take all memory, before it is taken apart."""
    if max(map(text.count, ",\n[{")) > MAX_ITEMS:
        raise UsageFault(f"{where}: more than {MAX_ITEMS:,} items are no list of nodes")


def quote_text(text: str) -> str:
    """Return `text` quoted for a message: control characters escaped, long ones cut."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _parse_plain(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        # A remark begins at the start or after a blank, so that a value may have a `#` in it.
        words = line.split()
        cancellation = next((place for place, word in enumerate(words) if word.startswith("#")), len(words))
        if cancellation:
            variables, fault = _parse_pairs(words[1:cancellation])
            yield Row(str(number), words[0], variables, fault)


def _parse_pairs(words: Iterable[str]) -> tuple[dict[str, str], str]:
    variables: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            return variables, f"{quote_text(word)} is no key=value"
        if key in variables:
            return variables, f"{quote_text(key)} is set twice"
        variables[key] = value
    return variables, ""


def _parse_csv(lines: list[str], where: str) -> Iterator[Row]:
    import csv

    reader = csv.reader((line + "\n" for line in lines), strict=True)
    header: list[str] = []
    name_at = 0
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row) or row[0].startswith("#"):
                continue
            if header:
                yield _parse_csv_row(str(reader.line_num), header, name_at, row)
            else:
                header = row
                name_at = _find_name_column(header, f"{where}:{reader.line_num}")
    except csv.Error as error:
        raise UsageFault(f"{where}:{reader.line_num}: no CSV: {error}") from error


def _find_name_column(header: list[str], where: str) -> int:
    counts = Counter(header)
    twice = next((title for title in header if counts[title] > 1), None)
    if twice is not None:
        raise UsageFault(f"{where}: two columns are called {quote_text(twice)}")
    for place, title in enumerate(header):
        if title.lower() in NAME_COLUMNS:
            return place
    few = ", ".join(map(quote_text, header[:_MAX_SHOWN])) + (" ..." if len(header) > _MAX_SHOWN else "")
    raise UsageFault(f"{where}: no column is called 'name' or 'node', there are {few}")


def _parse_csv_row(place: str, header: list[str], name_at: int, row: list[str]) -> Row:
    cells = dict(zip(header, row, strict=False))
    name = cells.pop(header[name_at], "")
    fault = f"{len(row)} cells, but the header has {len(header)}" if len(row) > len(header) else ""
    return Row(place, name, {key: value for key, value in cells.items() if value}, fault)


def _parse_json(text: str, where: str) -> Iterator[Row]:
    import json

    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageFault(f"{where}:{error.lineno}: no JSON: {error.msg.lower()} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: no JSON: nested too deeply or a number too long") from error
    if not isinstance(found, list):
        raise UsageFault(f"{where}: JSON must be a list of names, or of objects with a name")
    for number, item in enumerate(found, 1):
        yield _parse_json_row(f"item {number}", item)


def _parse_json_row(place: str, item: object) -> Row:
    if isinstance(item, str):
        return Row(place, item, {})
    if not isinstance(item, dict):
        return Row(place, "", {}, "neither a name nor an object with a name")
    key = next((key for key in NAME_COLUMNS if key in item), "name")
    name = item.pop(key, "")
    variables: dict[str, str] = {}
    for label, value in item.items():
        if isinstance(value, bool):
            variables[label] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            variables[label] = str(value)
        elif value is not None:
            return Row(place, str(name), {}, f"the value of {quote_text(label)} is neither text nor number")
    return Row(place, name if isinstance(name, str) else str(name), variables)
