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
    from plabctl.core.model import Claim
    from plabctl.core.stuck import Problem, Sight

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
    sight: Sight | None = None
    """The locks that are held and the ticks that run; None when that is not known."""

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims that a probe stands behind, by member: those in a slot that a process holds."""
        claims = self.state.claims
        if self.sight is None:
            return {key: claim for key, claim in claims.items() if claim.deadline_at > self.now}
        held = self.sight.held_slots
        return {key: claim for key, claim in claims.items() if claim.slot in held}


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all nodes there are, whatever part of them is listed."""

    nodes: int
    pools: dict[str, int]
    held: int
    suspect: int
    in_use: int
    """The slots that are held, as far as the kernel says; else those that claims name."""
    last_test_at: float
    """When the last test ended; 0 if there was none."""
    next_due_at: float | None


def rows(situation: Situation, names: Iterable[str], seen: Mapping[str, Glance] | None = None) -> Iterator[Row]:
    """Yield the row of each of these nodes; `seen` are all nodes, if they have been read already."""
    state, settings, now = situation.state, situation.settings, situation.now
    claims = situation.claims
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
    last_test_at = 0.0
    claims = situation.claims
    next_due_at: float | None = None
    for node in situation.state.glances() if seen is None else seen:
        nodes += 1
        pools[node.pool] = pools.get(node.pool, 0) + 1
        held += node.is_held(now)
        suspect += node.is_suspect
        last_test_at = max(last_test_at, node.tested_at)
        if node.node not in claims and (next_due_at is None or node.due_at < next_due_at):
            next_due_at = node.due_at
    # Claims that a tick keeps in hand for its next free slot name one that is in use already: slots are counted.
    slots = {claim.slot for claim in claims.values()} if situation.sight is None else situation.sight.held_slots
    return Totals(nodes, pools, held, suspect, len(slots), last_test_at, next_due_at)


def problems_of(situation: Situation, counted: Totals) -> list[Problem]:
    """Return what keeps plabctl from its work now, the gravest first; nothing when that is not known."""
    if situation.sight is None:
        return []
    from plabctl.core.stuck import problems  # noqa: PLC0415 - some forms can spare it

    now, last_tick_at = situation.now, situation.last_tick_at
    return problems(situation.sight, situation.state, situation.settings, now, last_tick_at, counted.last_test_at)


def in_pools(situation: Situation, names: Iterable[str], pools: Collection[str]) -> Iterator[str]:
    """Yield those of `names` that are in one of `pools`; all of them when no pool is asked for."""
    for name in names:
        if not pools or ((node := situation.state.glance(name)) and node.pool in pools):
            yield name


def listing(situation: Situation, names: Sequence[str]) -> Listing:
    """Return the status of these nodes for people: with columns and the line under the table."""
    from plabctl.report.words import status_columns  # noqa: PLC0415 - programs can spare it

    seen = all_nodes(situation)
    counted = totals(situation, seen.values())
    return Listing(
        plural="nodes",
        rows=rows(situation, names, seen),
        fields=FIELDS,
        columns=status_columns(situation.settings, situation.now),
        warnings=tuple(problem.reason for problem in problems_of(situation, counted)),
        footer=footer(situation, counted),
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
        "window": {"size": situation.settings.window, "in_use": counted.in_use},
        "guard": _guard(situation),
        "counts": counted.pools,
    }
    if found := problems_of(situation, counted):
        head["problems"] = [_problem(problem) for problem in found]
    if situation.last_tick_at is not None:
        head["last_tick_at"] = iso(situation.last_tick_at)
    return head


def _problem(problem: Problem) -> Row:
    row: dict[str, object] = {"kind": problem.kind.value, "reason": problem.reason, "remedy": problem.remedy}
    if problem.pid is not None:
        row["pid"] = problem.pid
    if problem.since_at is not None:
        row["since_at"] = iso(problem.since_at)
    if problem.slot_count is not None:
        row["slot_count"] = problem.slot_count
    return row


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
    window = f"window {situation.settings.window} ({counted.in_use} in use)"
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
