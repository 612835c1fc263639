"""Nodes whose tests pass on this machine while they answer no login: their liveness checks tell nothing.

Pure. `plabctl.core.liveness` lets their silence count for nothing; here it is told. To look for them takes a walk over
all nodes. So `plabctl.core.settle` notes that there is a first one, ticks count them while there is such a note, and
who only reads looks for them then.
Tests: `tests/core/test_liveness_course.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.core.due_rows import NodeFields
from plabctl.core.names import sort_names
from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.state import FALSE_ALARMS_TOPIC, Changes
from plabctl.counts import format_count

if TYPE_CHECKING:
    from plabctl.core.liveness_record import Liveness
    from plabctl.core.settings import Settings
    from plabctl.core.state import State

_SHOWN = 5
_LIVENESS: NodeFields[tuple[str, str, Liveness | None]] = NodeFields(tuple, ("node", "pool", "liveness"))


def _decode(reader: NoteReader) -> int:
    return reader.read_count("count")


def _encode(count: int) -> Document:
    return {"count": count} if count else {}


_NOTE: NoteKind[int] = NoteKind(FALSE_ALARMS_TOPIC, _decode, _encode)
"""How many such nodes there are."""


def note_mute_nodes(state: State, settings: Settings) -> Changes:
    """Return the change by which the state says how many such nodes there are; none where it says so already.

    The first one is noted when its test is settled.
    """
    if FALSE_ALARMS_TOPIC not in state.notes:
        return Changes()
    count = len(find_mute_nodes(state, settings))
    return Changes() if count == _NOTE.read(state.notes) else Changes(notes=_NOTE.write(count))


def find_mute_nodes(state: State, settings: Settings) -> list[str]:
    """Return the names of the nodes in good pools with checks whose silence counts for nothing, sorted."""
    pools = {name for name, pool in settings.pools.items() if pool.is_good and pool.liveness and pool.liveness.between}
    if not pools:
        return []
    return sort_names(
        node for node, pool, known in state.select(_LIVENESS) if known and known.is_mute and pool in pools
    )


def list_problems(state: State, settings: Settings) -> list[Problem]:
    """Return that there are such nodes, and which."""
    names = find_mute_nodes(state, settings)
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    reason = (
        f"{format_count(len(names), 'node')} pass every test and answer no login, so liveness checks tell nothing of "
        f"them: {', '.join(names[:_SHOWN])}{more}"
    )
    remedy = f"see why: plabctl explain {names[0]}; else give the pool a local recipe for its checks, or turn them off"
    return [Problem(ProblemKind.LIVENESS, reason, remedy, severity=Severity.WARNING)]
