"""Who is using which node now, as occupancy sources say it.

Pure. Each source has a note of its own in the state: what it said when it was last believed, and what is wrong with it
since. `find_busy` is the one function that says who is busy. What a reading changes is decided in
`plabctl.core.occupancy_changes`. Loaded only where an `[[occupancy]]` table is configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from plabctl.core.names import fold_name
from plabctl.core.notes import Document, NoteKind, NoteReader, Notes
from plabctl.core.state import OCCUPANCY_TOPIC
from plabctl.durations import format_duration
from plabctl.typed import NamedTuple
from plabctl.values import dataclass, field

_HELD_LONGER = 0.5
"""A reading with nothing new is written down only when the last one that was is as old as this share of `stale_after`:
until then what is known holds that much longer."""


@dataclass(frozen=True, slots=True)
class OccupancySettings:
    """One source that says which nodes are in use. `kind` is a name: its module is loaded where one is configured."""

    kind: str
    name: str = ""
    every_s: float = 60.0
    timeout_s: float = 30.0
    stale_after_s: float = 900.0
    """How long what it said last holds while it cannot be read."""
    options: object = None
    """The values of the keys that only its kind has."""


class Use(NamedTuple):
    """Somebody uses a node: who, since when, and until when if that is known. Instants are seconds since 1970."""

    by: str
    """In words, such as a job and its user; empty when the source does not say."""
    since_at: float
    until_at: float | None = None
    """When it should end, as the source says; the node is busy until the source lists it no longer."""


@dataclass(frozen=True, slots=True)
class OccupancyNote:
    """What is remembered of a source: what it listed when it was last believed, and what is wrong with it."""

    read_at: float | None = None
    """When it was last believed, or up to half of `stale_after` before that while nothing is wrong with it."""
    busy: Mapping[str, Use] = field(default_factory=dict)
    """By the folded name of the node (`plabctl.core.names.fold_name`), whether there is such a node or not."""
    fault: str = ""
    fault_since_at: float | None = None
    is_unread: bool = False
    """Whether the fault kept the last reading from being believed at all."""
    remark: str = ""
    """Which of the names that it lists are no nodes here."""
    has_matched: bool = False
    """Whether it ever listed a node that is here: then its names are right, and its jobs may all be elsewhere."""


Busy = Mapping[str, Use]
"""Who uses which node, by the name of the node in any case."""
NOBODY: Busy = {}


def _decode(reader: NoteReader) -> OccupancyNote:
    return OccupancyNote(
        reader.read_number("read_at", None),
        {name: _decode_use(use) for name, use in reader.read_objects("busy").items()},
        reader.read_text("fault", ""),
        reader.read_number("fault_since_at", None),
        reader.read_flag("is_unread"),
        reader.read_text("remark", ""),
        reader.read_flag("has_matched"),
    )


def _decode_use(reader: NoteReader) -> Use:
    since_at, until_at = reader.read_number("since_at", 0.0), reader.read_number("until_at", None)
    return Use(reader.read_text("by", ""), since_at, until_at)


def _encode(note: OccupancyNote) -> Document:
    values: dict[str, object] = {
        name: getattr(note, name)
        for name in ("read_at", "fault", "fault_since_at", "is_unread", "remark", "has_matched")
    }
    values["busy"] = {name: _encode_use(use) for name, use in note.busy.items()}
    return {name: value for name, value in values.items() if value}


def _encode_use(use: Use) -> Document:
    doc: dict[str, object] = {"since_at": use.since_at}
    if use.by:
        doc["by"] = use.by
    if use.until_at is not None:
        doc["until_at"] = use.until_at
    return doc


def make_occupancy_note(source: str) -> NoteKind[OccupancyNote]:
    """Return the kind of note of the occupancy source of that name."""
    return NoteKind(f"{OCCUPANCY_TOPIC}{source}", _decode, _encode)


def read_fault(notes: Notes, source: str) -> tuple[str, bool]:
    """Return what is wrong with the occupancy source of that name, and whether it was not believed at all.

    The nodes that it lists are not decoded.
    """
    reader = NoteReader(notes.get(f"{OCCUPANCY_TOPIC}{source}"))
    return reader.read_text("fault", ""), reader.read_flag("is_unread")


def find_busy(notes: Notes, sources: Iterable[OccupancySettings], now: float) -> Busy:
    """Return who uses which node at `now`; `sources` are those that are configured, `notes` the notes of the state.

    A source that cannot be read, or that nobody reads, is believed for its `stale_after`; then it says nothing. Until
    one that is new in the configuration is first read, what those said that are gone holds: it may be one of them.
    """
    tables, configured = [], list(sources)
    for source in configured:
        topic = f"{OCCUPANCY_TOPIC}{source.name}"
        for each in (topic,) if topic in notes else find_gone_topics(notes, configured):
            reader = NoteReader(notes.get(each))
            if not is_stale(reader.read_number("read_at", None), source, now, is_unread=reader.read_flag("is_unread")):
                tables.append(reader.read_objects("busy"))
    return _BusyNodes([table for table in tables if table])


def find_gone_topics(notes: Notes, sources: Iterable[OccupancySettings]) -> list[str]:
    """Return the topics of the notes of sources that are no longer configured."""
    configured = {f"{OCCUPANCY_TOPIC}{source.name}" for source in sources}
    return [topic for topic in notes if topic.startswith(OCCUPANCY_TOPIC) and topic not in configured]


def is_stale(read_at: float | None, source: OccupancySettings, now: float, *, is_unread: bool) -> bool:
    """Return whether what a source said when it was last believed, at `read_at`, holds no longer."""
    if read_at is None:
        return True
    # A source that is read less often than that is believed until the reading after the next.
    slack_s = 0.0 if is_unread else max(_HELD_LONGER * source.stale_after_s, 2 * source.every_s)
    return now > read_at + source.stale_after_s + slack_s


def is_worth_noting(read_at: float | None, source: OccupancySettings, now: float) -> bool:
    """Return whether a reading with nothing new is written down, as the last one that was is too old, or lies ahead."""
    return read_at is None or not 0 <= now - read_at <= _HELD_LONGER * source.stale_after_s


def find_impatience(source: OccupancySettings) -> str:
    """Return what is wrong with how often a source is read and how long it is believed; empty when nothing is."""
    if source.every_s <= source.stale_after_s or not source.stale_after_s:
        return ""
    every, stale_after = format_duration(source.every_s), format_duration(source.stale_after_s)
    return f"read every {every} and believed for {stale_after}: when one reading fails, nobody is known to be busy"


class _BusyNodes(Mapping[str, Use]):
    """The busy nodes of several notes; one is decoded when somebody asks for it, as there may be 100,000."""

    def __init__(self, tables: list[dict[str, NoteReader]]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> Use:
        folded = fold_name(name)
        return merge_uses([_decode_use(table[folded]) for table in self._tables if folded in table], name)

    def __contains__(self, name: object) -> bool:
        folded = fold_name(str(name))
        return any(folded in table for table in self._tables)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for table in self._tables for name in table))

    def __len__(self) -> int:
        return len(self._tables[0]) if len(self._tables) == 1 else sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._tables)


def merge_uses(uses: Iterable[Use], name: str = "") -> Use:
    """Return several uses of one node as one: by all, since the first, until the last, if all ends are known.

    Raise KeyError with `name` when there is none.
    """
    found = list(uses)
    if not found:
        raise KeyError(name)
    if len(found) == 1:
        return found[0]
    ends = [use.until_at for use in found if use.until_at is not None]
    return Use(
        ", ".join(dict.fromkeys(use.by for use in found if use.by)),
        min(use.since_at for use in found),
        max(ends) if len(ends) == len(found) else None,
    )
