"""The status of all nodes, or of some: the list itself, its totals, and the line under the table.

Pure. `node` makes one row, `words` what people read in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from plabctl.core.glance import Glance
from plabctl.core.settings import Settings
from plabctl.core.state import GUARD_NOTE, State
from plabctl.durations import format_duration
from plabctl.report.instants import ago, iso, until
from plabctl.report.listing import Listing, Row
from plabctl.report.node import guests_of, node_row
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.guard import Watch

FIELDS = (
    "name",
    "pool",
    "since_at",
    "due_at",
    "testing",
    "held",
    "suspect",
    "ok_streak",
    "fail_streak",
    "passes_needed",
    "penalty",
    "last.outcome",
    "last.cause",
    "last.at",
    "last.seconds",
    "last.reason",
    "site",
    "labels",
    "experiments",
)
"""The columns of `status -o tsv`: new ones are only ever added at the end."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the status is made from, read at one instant."""

    settings: Settings
    state: State
    now: float
    last_tick_at: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all nodes there are, whatever part of them is listed."""

    nodes: int
    pools: dict[str, int]
    held: int
    suspect: int
    testing: int
    next_due_at: float | None


def rows(situation: Situation, names: Iterable[str], seen: Mapping[str, Glance] | None = None) -> Iterator[Row]:
    """Yield the row of each of these nodes; `seen` are all nodes, if they have been read already."""
    state, settings, now = situation.state, situation.settings, situation.now
    claims = state.claims
    glance = state.glance if seen is None else seen.get
    guests = guests_of(state)
    for name in names:
        node = glance(name)
        if node is not None:
            yield node_row(node, claims.get(name), settings, now, guests)


def all_nodes(situation: Situation) -> dict[str, Glance]:
    """Return all nodes, by name: reading them twice would cost twice."""
    return {node.node: node for node in situation.state.glances()}


def totals(situation: Situation, seen: Iterable[Glance] | None = None) -> Totals:
    """Count all nodes; `seen` are all of them, if they have been read already."""
    now = situation.now
    pools = dict.fromkeys(situation.settings.pools, 0)
    held = suspect = nodes = 0
    claims = situation.state.claims
    next_due_at: float | None = None
    for node in situation.state.glances() if seen is None else seen:
        nodes += 1
        pools[node.pool] = pools.get(node.pool, 0) + 1
        held += node.is_held(now)
        suspect += node.is_suspect
        if node.node not in claims and (next_due_at is None or node.due_at < next_due_at):
            next_due_at = node.due_at
    # Claims that a tick keeps in hand for its next free slot name one that is in use already: slots are counted.
    testing = len({claim.slot for claim in claims.values() if claim.deadline_at > now})
    return Totals(nodes, pools, held, suspect, testing, next_due_at)


def in_pools(situation: Situation, names: Iterable[str], pools: Collection[str]) -> Iterator[str]:
    """Yield those of `names` that are in one of `pools`; all of them when no pool is asked for."""
    for name in names:
        if not pools or ((node := situation.state.glance(name)) and node.pool in pools):
            yield name


def listing(situation: Situation, names: Sequence[str]) -> Listing:
    """Return the status of these nodes for people: with columns and the line under the table."""
    from plabctl.report.words import status_columns  # noqa: PLC0415 - programs can spare it

    seen = all_nodes(situation)
    return Listing(
        plural="nodes",
        rows=rows(situation, names, seen),
        fields=FIELDS,
        columns=status_columns(situation.settings, situation.now),
        footer=footer(situation, totals(situation, seen.values())),
    )


def data(situation: Situation, names: Sequence[str], form: str) -> Listing:
    """Return the status of these nodes for programs; what `form` does not show is not worked out."""
    if form == "name":
        return Listing("nodes", ({"name": name} for name in names), FIELDS)
    if form == "tsv":
        from plabctl.report.quick import status_lines  # noqa: PLC0415 - other forms can spare it

        return Listing("nodes", (), FIELDS, tsv_lines=status_lines(situation, names))
    if form == "jsonl":
        return Listing("nodes", rows(situation, names), FIELDS)
    seen = all_nodes(situation)
    head = _head(situation, totals(situation, seen.values()))
    return Listing("nodes", rows(situation, names, seen), FIELDS, head=head)


def _head(situation: Situation, counted: Totals) -> Row:
    head: dict[str, object] = {
        "generated_at": iso(situation.now),
        "rev": situation.state.rev,
        "window": {"size": situation.settings.window, "in_use": counted.testing},
        "guard": _guard(situation),
        "counts": counted.pools,
    }
    if situation.last_tick_at is not None:
        head["last_tick_at"] = iso(situation.last_tick_at)
    return head


def _guard(situation: Situation) -> Row:
    watches = _watches(situation.state)
    if not watches:
        return {"state": "off"}
    scopes = [{"scope": watch.scope, "since_at": iso(watch.since_at), "reason": watch.why} for watch in watches]
    return {"state": "on", "scopes": scopes}


def guard_lines(situation: Situation) -> list[str]:
    """Return a line for people about each scope whose moves to bad are held now."""
    return [
        f"guard on for {watch.scope} since {ago(watch.since_at, situation.now)}, moves to bad are held: {watch.why}"
        for watch in _watches(situation.state)
    ]


def _watches(state: State) -> Collection[Watch]:
    if GUARD_NOTE not in state.notes:
        return ()
    from plabctl.core.guard import of_state  # noqa: PLC0415 - most of the time nothing was ever guarded

    return of_state(state).watches.values()


def footer(situation: Situation, counted: Totals) -> str:
    """Return the totals as one line for people, after a line for each guard that is on."""
    now = situation.now
    parts = [f"{count} {pool}" for pool, count in counted.pools.items()]
    extras = [f"{count} {word}" for count, word in ((counted.suspect, "suspect"), (counted.held, "held")) if count]
    of_these = f" ({', '.join(extras)})" if extras else ""
    window = f"window {situation.settings.window} ({counted.testing} in use)"
    last = "no tick yet" if situation.last_tick_at is None else f"last tick {ago(situation.last_tick_at, now)}"
    if not counted.nodes:
        return "no nodes yet: plabctl node add NAME"
    count = f"{counted.nodes} node{'' if counted.nodes == 1 else 's'}"
    line = [f"{count}: {', '.join(parts)}{of_these}", window, last]
    if counted.next_due_at is not None:
        line.append(_next_due(counted.next_due_at, now))
    return "\n".join([*guard_lines(situation), " · ".join(line)])


def _next_due(due_at: float, now: float) -> str:
    if due_at <= now:
        return f"next due now (for {format_duration(float(int(now - due_at)))})"
    return f"next due {until(due_at, now)}"
