"""Nodes as CSV, as the inventory `file` and `plabctl node import` read it: a column of names, one for each variable.

Pure. How plabctl stands to the nodes is in `status -o csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from plabctl.core.model import NO_LABELS
from plabctl.views.exports import Export, ExportedNode

_NAME = "name"
_FORMULA = r"'*[=+\-@]"
_NUMBER = r"[+-]?[0-9.]+"
_SPECIAL = r"[\",\n]"


def format_csv(export: Export) -> tuple[Iterator[str], list[str]]:
    """Return the lines, the header first, and remarks on labels that are called otherwise than their column."""
    columns, remarks = _name_columns(map(_list_values, export.nodes))
    titles = sorted(set(columns.values()), key=lambda title: (title not in NO_LABELS, title))

    def list_lines() -> Iterator[str]:
        yield ",".join((_NAME, *titles)) + "\n"
        for node in export.nodes:
            cells = {columns[key]: value for key, value in _list_values(node).items()}
            yield ",".join((node.view.name, *(_format_cell(cells.get(title, "")) for title in titles))) + "\n"

    return list_lines(), remarks


def _list_values(node: ExportedNode) -> Mapping[str, str]:
    monitor = node.view.monitor
    return node.variables if monitor is None else {"monitor": monitor, **node.variables}


def _name_columns(rows: Iterable[Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Return the column of each variable: its own, but where the reader would take that for another."""
    columns: dict[str, str] = {}
    remarks = []
    for key in dict.fromkeys(key for row in rows for key in row):
        plain = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
        title = plain if plain in NO_LABELS else f"{key}_label" if key == _NAME else key
        columns[key] = title
        if title != key:
            remarks.append(f"the label {key!r} is in the column {title!r}")
    return columns, remarks


def _format_cell(text: str) -> str:
    """Return a cell; what a spreadsheet would take for a formula has a `'` before it, which our reader takes off."""
    if re.match(_FORMULA, text) and not re.fullmatch(_NUMBER, text):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if re.search(_SPECIAL, text) else text
