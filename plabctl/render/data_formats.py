"""Listings for programs: TSV, CSV, JSON, JSON lines, names.

Pure: text comes out piece by piece, so that 100,000 rows need no memory of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from plabctl.render.listing import SCHEMA_VERSION, Listing, Row

_ROWS_PER_PIECE = 512
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SMALL, _DIGITS, _MORE_DIGITS = 0.1, 3, 7  # a share of a thousandth is worth its digits
_ONE_LINE = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


def dumps(value: object) -> str:
    """Return `value` as JSON on one line, keys sorted."""
    # orjson takes longer to import than the standard library takes for a small document; a large state has brought it.
    if "orjson" in sys.modules:
        import orjson

        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    import json as standard

    return standard.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
    )


def render(listing: Listing, form: str, *, header: bool = False) -> Iterator[str]:
    """Return the text of `listing` in a form for programs, in pieces; raise KeyError for a form that is none."""
    make: Mapping[str, Callable[[], Iterator[str]]] = {
        "tsv": lambda: format_tsv(listing, header=header),
        "csv": lambda: format_csv(listing),
        "json": lambda: format_json(listing),
        "jsonl": lambda: format_jsonl(listing.rows),
        "name": lambda: format_names(listing),
    }
    return make[form]()


def format_tsv(listing: Listing, *, header: bool = False) -> Iterator[str]:
    """Return one line a row: constant columns, nothing cut, empty for unknown."""
    if header:
        yield "\t".join(field.replace(".", "_") for field in listing.fields) + "\n"
    yield from _join_pieces(listing.tsv_lines or ("\t".join(line) for line in _format_rows(listing)))


def format_csv(listing: Listing) -> Iterator[str]:
    """Return CSV with a header, as spreadsheets read it; a cell that would be taken for a formula is defused."""
    yield ",".join(field.replace(".", "_") for field in listing.fields) + "\n"
    yield from _join_pieces(",".join(map(_format_csv_cell, line)) for line in _format_rows(listing))


def format_json(listing: Listing) -> Iterator[str]:
    """Return one object: the head, and the rows under their name."""
    yield dumps({"schema_version": SCHEMA_VERSION, **listing.head, listing.plural: list(listing.rows)})
    yield "\n"


def format_jsonl(rows: Iterable[Row]) -> Iterator[str]:
    """Return one JSON object a line."""
    return _join_pieces(map(dumps, rows))


def format_names(listing: Listing) -> Iterator[str]:
    """Return the name of each row that has one, one a line; what happened to an experiment, say, has no node."""
    return _join_pieces(str(row[listing.key]) for row in listing.rows if listing.key in row)


def _join_pieces(lines: Iterable[str]) -> Iterator[str]:
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == _ROWS_PER_PIECE:
            yield "\n".join(piece) + "\n"
            piece.clear()
    if piece:
        yield "\n".join(piece) + "\n"


def _format_rows(listing: Listing) -> Iterator[list[str]]:
    plan = [tuple(field.split(".")) for field in listing.fields]
    for row in listing.rows:
        line = []
        for path in plan:
            value = row.get(path[0])
            if len(path) > 1 and value is not None:
                value = value.get(path[1])  # type: ignore[attr-defined]  # a field with a dot names an object's field
            line.append(value if value.__class__ is str and value.isprintable() else format_cell(value))
        yield line


def format_cell(value: object) -> str:
    """Return one value as the text of a TSV cell, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{_DIGITS if abs(value) >= _SMALL else _MORE_DIGITS}f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        text = ",".join(f"{key}={inner}" for key, inner in value.items())
    elif isinstance(value, list | tuple):
        text = " ".join(map(str, value))
    else:
        text = str(value)
    return text.translate(_ONE_LINE)


def _format_csv_cell(text: str) -> str:
    if text.startswith(_FORMULA) and not _is_number(text):
        text = "'" + text
    if any(mark in text for mark in ',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
