"""What is remembered of a source of nodes between its readings.

Pure. It is written with what `plabctl.core.inventory_changes` decides, and read by what tells people of faults.
Tests: `tests/core/test_inventory_changes.py`.
"""

from __future__ import annotations

from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class SourceNote:
    """What is remembered of a source between its readings."""

    fault: str = ""
    """Why the last reading was not used, or what was wrong with some of its rows."""
    fault_since_at: float | None = None
    doubted: str = ""
    """The digest of the names in a reading that dropped too many nodes to be believed at once."""
    doubted_count: int = 0
    """How many readings in a row were that one."""
    remark: str = ""
    """Which rows are rightly no nodes, such as hosts that are not reached by SSH."""
    accepted: str = ""
    """The digest of the names that a person has accepted to be missing."""
    bad_rows: str = ""
    """The digest of the rows that were left out, if that is the fault."""


def _decode(reader: NoteReader) -> SourceNote:
    return SourceNote(
        reader.read_text("fault", "") or "",
        reader.read_number("fault_since_at", None),
        reader.read_text("doubted", ""),
        reader.read_count("doubted_count"),
        reader.read_text("remark", ""),
        reader.read_text("accepted", ""),
        reader.read_text("bad_rows", ""),
    )


def _encode(note: SourceNote) -> Document:
    names = ("fault", "fault_since_at", "doubted", "doubted_count", "remark", "accepted", "bad_rows")
    values = {name: getattr(note, name) for name in names}
    return {name: value for name, value in values.items() if value}


def make_source_note(source: str) -> NoteKind[SourceNote]:
    """Return the kind of note of the source of that name."""
    return NoteKind(f"inventory {source}", _decode, _encode)
