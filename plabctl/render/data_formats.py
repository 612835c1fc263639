"""Listings for programs: TSV, CSV, JSON, JSON lines, names, a set of nodes.

Pure. Rows are views, or objects as JSON has them. Text comes out piece by piece, so that 100,000 rows need no memory
of their own. The rows of a long list are written by functions made for their class: `plabctl.render.compiled_rows`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, islice

from plabctl.kinds import load
from plabctl.render.encode import encode_view, format_cell
from plabctl.render.listing import FORMS, SCHEMA_VERSION, Listing, Row
from plabctl.typed import Any
from plabctl.values import replace

_FEW = 64
"""So many rows take less time than making a function for all that may follow."""
_ROWS_PER_PIECE = 512
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def dumps(value: object) -> str:
    """Return `value` as JSON on one line, keys sorted."""
    # orjson takes longer to import than the standard library takes for a small document; a large state has brought it.
    if "orjson" in sys.modules:
        import orjson

        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _make_dumps()(value)


@cache
def _make_dumps() -> Callable[[object], str]:
    from json import JSONEncoder

    return JSONEncoder(
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
    ).encode


def render(listing: Listing, form: str, *, header: bool = False) -> Iterator[str]:
    """Return the text of `listing` in a form for programs, in pieces; raise KeyError for a form that is none."""
    if listing.encode:
        listing = replace(listing, rows=map(listing.encode, listing.rows))
    pieces: Iterator[str] = load(FORMS[form])(listing)
    return chain([_format_header(listing.fields)], pieces) if header and form == "tsv" else pieces


def _format_header(fields: Sequence[str]) -> str:
    return "\t".join(field.replace(".", "_") for field in fields) + "\n"


def format_tsv(listing: Listing) -> Iterator[str]:
    """Return one line a row: constant columns, nothing cut, empty for unknown."""
    plan = _plan_cells(listing.fields)

    def make(cls: type) -> Callable[[Any], str]:
        from plabctl.render.compiled_rows import make_line_writer

        return make_line_writer(cls, listing.fields)

    return _join_lines(_write_rows(listing.rows, lambda row: "\t".join(_list_cells(row, plan)), make))


def format_csv(listing: Listing) -> Iterator[str]:
    """Return CSV with a header, as spreadsheets read it; a cell that would be taken for a formula is defused."""
    yield ",".join(field.replace(".", "_") for field in listing.fields) + "\n"
    yield from _join_lines(",".join(map(_format_csv_cell, cells)) for cells in list_cells(listing))


def list_cells(listing: Listing) -> Iterator[list[str]]:
    """Yield the texts of each row, one for each field of the listing; empty for unknown."""
    plan = _plan_cells(listing.fields)
    return (_list_cells(row, plan) for row in listing.rows)


def format_json(listing: Listing) -> Iterator[str]:
    """Return one object: the head, and the rows under their name.

    What comes after the rows is looked up after they were walked: it may be about them.
    """
    rows = iter(listing.rows)
    few = list(islice(rows, _FEW))
    head = {"schema_version": SCHEMA_VERSION, **encode_row(listing.head)}
    if len(few) < _FEW:
        yield dumps({**head, listing.plural: list(map(encode_row, few))}) + "\n"
        return
    before = {key: head[key] for key in head if key < listing.plural}
    yield f"{dumps(before)[:-1]}{',' if before else ''}{dumps(listing.plural)}:"
    mark = "["
    for piece in _join_pieces(_write_objects(chain(few, rows)), ","):
        yield mark + piece
        mark = ","
    head = {"schema_version": SCHEMA_VERSION, **encode_row(listing.head)}
    after = {key: head[key] for key in head if key > listing.plural}
    yield f"]{',' if after else ''}{dumps(after)[1:]}\n"


def format_document(*views: Any) -> str:
    """Return one object for JSON, with the fields of all these views."""
    document: dict[str, object] = {"schema_version": SCHEMA_VERSION}
    for view in views:
        document |= encode_row(view)
    return dumps(document) + "\n"


def format_jsonl(listing: Listing) -> Iterator[str]:
    """Return one JSON object a line."""
    return _join_lines(_write_objects(listing.rows))


def format_names(listing: Listing) -> Iterator[str]:
    """Return the name of each row that has one, one a line; what happened to an experiment, say, has no node."""
    rows = map(encode_row, listing.rows)
    return _join_lines(str(row[listing.key]) for row in rows if listing.key in row)


def format_nodeset(listing: Listing) -> Iterator[str]:
    """Yield the names of the rows, folded into one line such as `pc[1-12].lab`; nothing when there is none."""
    from plabctl.nodesets import fold_nodeset

    names = [str(row[listing.key]) for row in map(encode_row, listing.rows) if listing.key in row]
    if names:
        yield f"{fold_nodeset(names)}\n"


def encode_row(row: Any) -> Row:
    """Return a row as JSON has it."""
    return row if row.__class__ is dict else encode_view(row)


def _write_objects(rows: Iterable[Any]) -> Iterator[str]:
    def make(cls: type) -> Callable[[Any], str]:
        from plabctl.render.compiled_rows import make_object_writer

        return make_object_writer(cls, dumps)

    return _write_rows(rows, lambda row: dumps(encode_row(row)), make)


def _write_rows(
    rows: Iterable[Any], write: Callable[[Any], str], make: Callable[[type], Callable[[Any], str]]
) -> Iterator[str]:
    """Yield the text of each row: by `write`, and when there are many, by what `make` returns for their class."""
    left = iter(rows)
    few = list(islice(left, _FEW))
    is_long = len(few) == _FEW and not isinstance(few[0], Mapping)
    yield from map(make(type(few[0])) if is_long else write, chain(few, left))


def _join_lines(lines: Iterable[str]) -> Iterator[str]:
    return (piece + "\n" for piece in _join_pieces(lines, "\n"))


def _join_pieces(texts: Iterable[str], between: str) -> Iterator[str]:
    left = iter(texts)
    while piece := list(islice(left, _ROWS_PER_PIECE)):
        yield between.join(piece)


def _plan_cells(fields: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(field.split(".")) for field in fields]


def _list_cells(row: Any, plan: Sequence[tuple[str, ...]]) -> list[str]:
    cells = []
    found = encode_row(row)
    for path in plan:
        value = found.get(path[0])
        if len(path) > 1 and value is not None:
            value = value.get(path[1])  # type: ignore[attr-defined]  # a field with a dot names an object's field
        cells.append(value if value.__class__ is str and value.isprintable() else format_cell(value))
    return cells


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
