"""One node as lists show it: its place in its pool, its last test, who holds it.

Pure. To add something to the status of a node, add a field to `NodeView`, and fill it in `_build_node_view`; what that
needs of the node's record and `NodeFacts` does not have yet is a field there. JSON has it then, TSV when it stands in
`NODE_COLUMNS`; the columns of the table are in `plabctl.render.status_columns`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one, in every short command.
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from plabctl.core.due_rows import NodeFields
from plabctl.core.flap import compute_penalty, count_passes_to_go
from plabctl.core.model import NO_LABELS, Claim, Goal, Hold, Member, Node, Verdict
from plabctl.core.settings import Settings
from plabctl.core.state import VANTAGES_TOPIC, State
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import explain_unusable
from plabctl.typed import TYPE_CHECKING, NamedTuple
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.occupancy import Use
    from plabctl.core.problems import Problem
    from plabctl.core.surroundings import LockReport, Surroundings
    from plabctl.views.node_reach import Reach


@dataclass(frozen=True, slots=True)
class ViewContext:
    """What views are made from: the settings, and the state as it was at `now`."""

    settings: Settings
    state: State
    now: float
    last_tick_at: "float | None" = None
    sight: "LockReport | None" = None
    """The locks that are held and the ticks that run; None when that is not known."""
    around: "Surroundings | None" = None
    """What else was seen beside the state; None when nobody looked."""
    told: "list[Problem] | None" = None
    """What is wrong, if somebody else found it out: who wrote the status file that this is read from."""
    views: "Mapping[str, NodeView] | None" = None  # as that file has them

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims that a test stands behind, by member: in a slot that a process holds; no mere logins."""
        claims = {key: claim for key, claim in self.state.claims.items() if claim.goal is not Goal.LIVENESS}
        held = None if self.sight is None else self.sight.held_slots
        return {key: it for key, it in claims.items() if (it.is_running(self.now) if held is None else it.slot in held)}

    @property
    def busy(self) -> "Mapping[str, Use]":
        """Who uses which node now, by the node's name; nobody where no occupancy source is configured."""
        if not self.settings.occupancies:
            return {}
        from plabctl.core.occupancy import find_busy

        return find_busy(self.state.notes, self.settings.occupancies, self.now)


class NodeFacts(NamedTuple):
    """What the status needs of a node's record; the fields are those of `Node` and `Member`."""

    node: str
    variables: Mapping[str, str]
    pool: str
    since_at: float
    due_at: float
    ok_streak: int
    fail_streak: int
    penalty: float
    penalty_at: float
    suspicion: Suspicion | None
    hold: Hold | None
    requested_at: float | None
    absent_since_at: float | None
    stuck_since_at: float | None
    release_test_since_at: float | None
    last: Verdict | None  # What else a column needs stands below.

    @property
    def is_suspect(self) -> bool:
        """Whether it left good on a failure that its next test confirms or refutes."""
        return self.suspicion is not None and self.suspicion.pool != self.pool


NODE_FACTS = NodeFields(NodeFacts)


class NodeView(NamedTuple):
    """One node with its place in its pool. None is unknown, or does not apply."""

    name: str
    pool: str
    since_at: float
    due_at: float
    is_testing: bool
    is_held: bool
    is_suspect: bool
    ok_streak: int
    fail_streak: int
    passes_needed: int | None
    """How many more passes bring it back to good; None for a node in a good pool, or one that is stuck."""
    penalty: float
    last: Verdict | None
    """Its last test."""
    hold: Hold | None
    """The hold that is in force."""
    requested_at: float | None
    site: str | None
    labels: Mapping[str, str] | None
    """The variables that mean nothing to plabctl."""
    experiments: Sequence[str] | None
    """The experiments that have, or may have, a vnode on it."""
    absent_since_at: float | None
    """Since when its inventory does not list it."""
    is_usable: bool
    """Whether it is offered."""
    why_not: str | None
    """Why it is not usable."""
    stuck_since_at: float | None
    """Since when it does not return before a person releases it."""
    busy_by: "str | None" = None
    """Who uses it, in words; None also where nobody says."""
    busy_since_at: "float | None" = None
    """Since when somebody uses it, as far as an occupancy source says."""
    answered_at: "float | None" = None
    """When it last let us log in, for a test or for a mere login; only where there are mere logins."""
    vantage: "str | None" = None
    """Where its last test was made from; only where tests are made from several places."""
    lost_from: "str | None" = None
    """The vantages from which it is not reached, separated by commas; it is from others."""
    monitor: "str | None" = None
    """Which monitor tests it; only where several are shown as one."""
    steadiness_ratio: "float | None" = None
    """The share of recent time that it spent in good; only where somebody may rank it who has no state."""


NODE_COLUMNS = (
    "name", "pool", "since_at", "due_at", "testing", "held", "suspect", "ok_streak", "fail_streak", "passes_needed",
    "penalty", "last.outcome", "last.cause", "last.at", "last.seconds", "last.reason", "site", "labels",
    "experiments", "absent_since_at", "usable", "why_not", "stuck_since_at", "busy_by", "busy_since_at",
    "answered_at", "vantage", "lost_from", "monitor",
)  # fmt: skip
"""The columns of `status -o tsv`: new ones are only ever added at the end; `last.outcome` is a field of `last`."""


def _build_node_view(
    node: NodeFacts,
    settings: Settings,
    good_pools: Collection[str],
    now: float,
    *,
    is_testing: bool,
    experiments: Sequence[str] | None = None,
) -> NodeView:
    # All at once: to ask for the fields one by one adds a tenth to the time of a long list.
    name, own, pool, since_at, due_at, ok, bad, penalty, _, suspicion, hold, asked, gone, stuck, free, last, *_ = node
    is_in_good = pool in good_pools
    # The usual case at a glance: a node in good of which there is nothing else to say.
    is_plain = is_in_good and not (bad or suspicion or hold or gone or free)
    why_not = None if is_plain else explain_unusable(node, now, is_in_good=is_in_good)
    hold = hold if hold is not None and hold.holds(now) else None
    return NodeView(
        name,
        pool,
        since_at,
        due_at,
        is_testing,
        hold is not None,
        suspicion is not None and suspicion.pool != pool,
        ok,
        bad,
        None if is_in_good or stuck or pool not in settings.pools else _count_passes_needed(node, settings, now),
        compute_penalty(node, settings.flap, now) if penalty else 0.0,
        last,
        hold,
        asked,
        own.get("site"),
        None if NO_LABELS.issuperset(own) else {key: value for key, value in own.items() if key not in NO_LABELS},
        experiments,
        gone,
        why_not is None,
        why_not,
        stuck,
    )


def view_node(node: Node, member: Member, claim: Claim | None, settings: Settings, now: float) -> NodeView:
    """Return the view of one node whose record is at hand; `claim` is that of the test that runs on it."""
    facts = NODE_FACTS.read(node, member)
    view = _build_node_view(facts, settings, settings.good_pools, now, is_testing=claim is not None)
    if member.liveness is None and not member.vantage and not member.lost_ways:
        return view
    from plabctl.views.node_reach import find_reach

    return view._replace(**find_reach(member))


def _count_passes_needed(node: NodeFacts, settings: Settings, now: float) -> int:
    """Return how many more passes bring the node back to good: one for a suspect, because that refutes it.

    They are those that it takes from its next test on: meanwhile the penalty decays.
    """
    if node.is_suspect or not node.penalty:
        return 1
    return count_passes_to_go(node, settings.flap, max(now, node.due_at))


def list_node_views(
    context: ViewContext, names: Iterable[str], seen: Mapping[str, NodeFacts] | None = None
) -> Iterator[NodeView]:
    """Yield the view of each of these nodes; `seen` are the facts of all nodes, if they have been read already."""
    if context.views is not None:
        yield from (view for name in names if (view := context.views.get(name)))
        return
    state, settings, now = context.state, context.settings, context.now
    claims, guests, good_pools = context.claims, _find_guests(state), settings.good_pools
    busy, find_more = context.busy, _load_reach(context)
    for name in names:
        node = state.select_one(NODE_FACTS, name) if seen is None else seen.get(name)
        if node is not None:
            own, runs = guests.get(name), name in claims
            view = _build_node_view(node, settings, good_pools, now, is_testing=runs, experiments=own)
            view = view._replace(**find_more(name)) if find_more else view
            yield add_use(view, busy.get(name)) if busy else view


def _load_reach(context: ViewContext) -> "Callable[[str], Reach] | None":
    """Return what finds the fields that only some testbeds have, by the name of a node; None where there are none."""
    has_checks = any(pool.liveness for pool in context.settings.pools.values())
    if not has_checks and VANTAGES_TOPIC not in context.state.notes:
        return None
    from plabctl.views.node_reach import make_reach

    return make_reach(context.state, has_checks=has_checks)


def add_use(view: NodeView, use: "Use | None") -> NodeView:
    """Return the view of a node with who uses it; None is nobody."""
    return view if use is None else view._replace(busy_by=use.by or None, busy_since_at=use.since_at)


def _find_guests(state: State) -> Mapping[str, Sequence[str]]:
    """Return the names of the experiments that have, or may have, a vnode on a node, by node."""
    guests: dict[str, list[str]] = {}
    for vnode in state.vnodes():
        if vnode.vnode:
            guests.setdefault(vnode.node, []).append(vnode.experiment)
    return {node: sorted(names) for node, names in guests.items()}
