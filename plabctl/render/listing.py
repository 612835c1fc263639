"""What a reading command shows: rows, with the fields that programs get and the columns that people get.

Pure. `data_formats` turns a listing into TSV, CSV, JSON or names, `text_table` into a table on a terminal.
Tests: `tests/render/test_text_table.py`.
"""

from collections.abc import Callable, Iterable, Mapping

from plabctl.typed import Any, NamedTuple
from plabctl.values import dataclass, field

Row = Mapping[str, object]
"""One thing as programs see it, ready for JSON. What is not known is absent."""

SCHEMA_VERSION = 1
"""Of every JSON document; within a version things are only ever added."""


FOR_PEOPLE = ("table", "wide")
"""The forms of a listing that people read."""
FORMS = {
    "tsv": "plabctl.render.data_formats:format_tsv",
    "json": "plabctl.render.data_formats:format_json",
    "jsonl": "plabctl.render.data_formats:format_jsonl",
    "csv": "plabctl.render.data_formats:format_csv",
    "name": "plabctl.render.data_formats:format_names",
    "nodeset": "plabctl.render.data_formats:format_nodeset",
}
"""The forms that programs read: what writes each takes a `Listing` and returns an iterator of pieces of text."""


class Cell(NamedTuple):
    """What a person sees of one field: text, and a style by name (see `rich_console`)."""

    text: str
    style: str = ""


Line = tuple[str, Cell]
"""A label, empty when the line goes on with what stands above, and what is said."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column for people.

    On a narrow terminal the columns of the highest rank go first; rank 0 stays. A `flexible` one is shortened before
    any goes. A `wide` one is shown with `-o wide` only.
    """

    title: str
    cell: Callable[[Any], Cell]
    rank: int = 0
    flexible: bool = False
    wide: bool = False
    is_name: bool = False
    """Whether it holds names of hosts, which lose the end that all have in common when the table is too wide."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to show, and how. `rows` is walked once, so it may be a generator.

    A row is a view, an object as JSON has it, or another value of which `encode` makes either.
    """

    plural: str
    """The key under which the rows stand in JSON."""
    rows: Iterable[Any]
    fields: tuple[str, ...] = ()
    """The columns of TSV and CSV, for good; `last.outcome` is the field `outcome` in the object `last`."""
    columns: tuple[Column, ...] = ()
    head: Any = field(default_factory=dict)
    """What stands beside the rows in JSON: a view, or an object as JSON has it."""
    warnings: tuple[str, ...] = ()
    """What people must see first, above the table, one line each."""
    footer: str = ""
    titles: bool = True
    """Whether people get the titles of the columns; more of the same does without."""
    key: str = "name"
    """The field that `-o name` prints."""
    encode: Callable[[Any], Any] | None = None


def build_group_column(by: str, get_value: Callable[[Any], str | None]) -> Column:
    """Return the column of groups of nodes that says which value of `by` the nodes of a group have, or that none."""

    def build_cell(group: Any) -> Cell:
        value = get_value(group)
        return Cell(f"(no {by})" if value is None else value)

    return Column(by.upper(), build_cell)


def get_text(row: Row, key: str) -> str:
    """Return the text in `row[key]`, empty when it is absent."""
    value = row.get(key)
    return "" if value is None else str(value)
