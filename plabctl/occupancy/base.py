"""What every occupancy source can do, and how what it lists becomes a reading.

I/O in `read_source` only. A kind is one module beside this one with one instance of an `OccupancyKind`;
`plabctl.kinds` lists it by name. What a reading changes is decided in `plabctl.core.occupancy_changes`. Settings hold a
kind by its name: kinds import late what only `read` needs.
Tests: `tests/occupancy/test_command.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from plabctl.core.keys.table import Kind
from plabctl.errors import UsageFault
from plabctl.kinds import find
from plabctl.typed import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.occupancy_changes import Listed, OccupancyReading
    from plabctl.core.settings import Origin

MAX_NODES = 250_000
"""How many nodes one source may list."""
MAX_WORDS = 100
"""How many characters of who uses a node are kept."""
_NAMED = 3


class Row(NamedTuple):
    """One busy node as a source lists it. `place` is where: `FILE:LINE`, or the name of a key."""

    place: str
    name: str
    by: str = ""
    since_at: float | None = None
    until_at: float | None = None
    fault: str = ""
    """What is wrong with the row, although it names a node: that is busy all the same."""
    is_bare: bool = False
    """Whether it may be something else, such as a message: a line of one word, or a key of another kind of object."""


class OccupancyKind(Kind, ABC):
    """One kind of occupancy source. Its `help` says what it reads: `names, or JSON, printed by a command`."""

    name_variable = ""
    """The variable of a node that says what this source calls it, where that is not the node's own name."""

    @abstractmethod
    def identify(self, options: Any) -> str:
        """Return what tells this source from others of its kind, without secrets."""

    def suggest_name(self, options: Any) -> str:
        """Return what it is called when nobody gave it a name: what does not change when it moves."""
        return self.identify(options)

    @abstractmethod
    def read(self, own: OccupancySettings, origin: Origin, now: float) -> Iterable[Row]:
        """Return the nodes that are busy now, one row for each use.

        `origin` says where the configuration is from that names the source. Raise UsageFault when it cannot be read or
        is not to be believed as a whole; end within about `own.timeout_s` seconds.
        """

    def list_named_files(self, options: Any) -> Iterator[tuple[str, bool]]:
        """Yield each file that the options name, and whether it must be in the hands of people we trust."""
        yield from ()


def read_source(own: OccupancySettings, origin: Origin, now: float) -> OccupancyReading:
    """Return what the source lists now; it never raises and always ends, and what went wrong is in the result."""
    from plabctl.core.occupancy_changes import OccupancyReading

    kind: OccupancyKind = find("occupancy", own.kind)
    if kind.fault:
        return OccupancyReading(now, fault=kind.fault, is_unread=True)
    try:
        return collect_rows(kind.read(own, origin, now), now)
    except UsageFault as error:
        return OccupancyReading(now, fault=str(error), is_unread=True)


def collect_rows(rows: Iterable[Row], now: float) -> OccupancyReading:
    """Return a reading that began at `now`: who is busy, and what is wrong with single rows.

    A row whose name can be that of no node is left out. Raise UsageFault when that is most of them, or when there are
    far too many: such a list means something else.
    """
    from plabctl.core.names import fold_name, is_alias
    from plabctl.core.occupancy_changes import OccupancyReading

    uses: dict[str, Listed] = {}
    faults: list[str] = []
    bad_count = good_count = 0
    is_bare = True
    for row in rows:
        is_bare = is_bare and row.is_bare
        if is_alias(row.name):
            good_count += 1
            name = fold_name(row.name)
            uses[name] = _add_use(uses.get(name), row)
            if row.fault:
                faults.append(f"{row.place}: {row.fault}")
        else:
            bad_count += 1
            faults.append(f"{row.place}: {_quote(row.name)} can be the name of no node")
    if bad_count > good_count:
        raise UsageFault(faults[0] if bad_count == 1 else f"{faults[0]}, and {bad_count - 1} more such")
    if len(uses) > MAX_NODES:
        raise UsageFault(f"it lists {len(uses)} nodes, at most {MAX_NODES} are believed")
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    doubt = _describe_doubt([*uses]) if uses and is_bare else ""
    return OccupancyReading(now, uses, "; ".join(faults[:_NAMED]) + more, doubt=doubt)


def _describe_doubt(names: Sequence[str]) -> str:
    *others, last = [*map(_quote, names[:_NAMED])]
    if len(names) > _NAMED:
        others, last = [*others, last], f"{len(names) - _NAMED} more"
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"it lists only {listed}, which {'is no node' if len(names) == 1 else 'are no nodes'} here"


def _add_use(known: Listed | None, row: Row) -> Listed:
    """Return the use of a row together with what earlier rows say of the same node."""
    from plabctl.core.occupancy_changes import Listed

    by = _clean_words(row.by)
    if known is None:
        return Listed(by, row.since_at, row.until_at)
    words = [known.by, by] if by not in known.by.split(", ") else [known.by]
    begins = [each for each in (known.since_at, row.since_at) if each is not None]
    until_at = None if known.until_at is None or row.until_at is None else max(known.until_at, row.until_at)
    return Listed(_clean_words(", ".join(filter(None, words))), min(begins, default=None), until_at)


def _clean_words(text: str) -> str:
    """Return what a source says of who uses a node as one short line that can be shown."""
    line = " ".join(text.split())
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 3]}..."


def _quote(text: str) -> str:
    return repr(text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}...")
