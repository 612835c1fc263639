"""Nodes whose source is no longer in the configuration: nothing lists them, nothing drops them, so a person must say.

Pure. A table `[[inventory]]` that is gone may be a mistake, so its nodes stay as they are and that is told. To look for
them takes a walk over all nodes: ticks do that, and note what they find; who only reads looks if there is such a note.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.core.due_rows import NodeFields
from plabctl.core.names import OPERATOR, sort_names
from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.state import LOST_SOURCES_TOPIC, OCCUPANCY_TOPIC, Changes
from plabctl.counts import format_count

if TYPE_CHECKING:
    from plabctl.core.settings import Settings
    from plabctl.core.state import State

_SHOWN = 200
_ORIGIN: NodeFields[tuple[str, str]] = NodeFields(tuple, ("node", "source"))


def _decode(reader: NoteReader) -> int:
    return reader.read_count("count")


def _encode(count: int) -> Document:
    return {"count": count} if count else {}


_NOTE: NoteKind[int] = NoteKind(LOST_SOURCES_TOPIC, _decode, _encode)
"""How many sources there are that have nodes and are not configured."""


def note_lost_sources(state: State, settings: Settings) -> Changes:
    """Return the change by which the state says whether there are such sources; none where it says so already."""
    count = len(find_lost_sources(state, settings))
    return Changes() if count == _NOTE.read(state.notes) else Changes(notes=_NOTE.write(count))


def forget_occupancy(state: State, settings: Settings) -> Changes:
    """Return the change that takes away what occupancy sources said, once none is configured; it releases nobody."""
    topics = () if settings.occupancies else [each for each in state.notes if each.startswith(OCCUPANCY_TOPIC)]
    return Changes(notes=dict.fromkeys(topics)) if topics else Changes()


def find_lost_sources(state: State, settings: Settings) -> dict[str, list[str]]:
    """Return the nodes of each source that is not configured."""
    known = {OPERATOR, *(alias for each in settings.inventories for alias in (each.name, *each.aliases))}
    found: dict[str, list[str]] = {}
    for node, source in state.select(_ORIGIN):
        if source not in known:
            found.setdefault(source, []).append(node)
    return found


def list_problems(state: State, settings: Settings) -> list[Problem]:
    """Return what is wrong with the nodes of sources that are not configured, source by source."""
    found = find_lost_sources(state, settings)
    return [_build_problem(source, sort_names(found[source])) for source in sorted(found)]


def _build_problem(source: str, names: list[str]) -> Problem:
    nodes = format_count(len(names), "node")
    are = "is" if len(names) == 1 else "are"
    listed = ",".join(names)
    which = listed if len(listed) <= _SHOWN else "NODES"
    return Problem(
        ProblemKind.INVENTORY,
        f"inventory: '{source}' is no longer configured, and {nodes} of it {are} still tested and offered",
        f"put it back, name another source that lists them, or remove them: plabctl node rm {which}",
        severity=Severity.WARNING,
        subject=source,
    )
