"""Situations to show: nodes in all the states there are, built without hidden state."""

from dataclasses import replace

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Cause, Goal, Hold, Member, Node, Outcome, Verdict
from plabctl.core.settings import Settings
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.views.experiments import VnodeView
from plabctl.views.node import ViewContext
from tests.builders import NOW, make_claim, make_member, make_settings
from tests.memory_state import MemoryState

PASSED = Verdict(Outcome.PASS, None, "", NOW - 300.0, 1.25)
FAILED = Verdict(Outcome.FAIL, Cause.CONNECT, "connection refused", NOW - 400.5, 0.25)
UNSURE = Verdict(Outcome.UNKNOWN, Cause.LOCAL, "too many open files", NOW - 60.0, 0.0)


def make_context(
    *pairs: tuple[Node, Member], settings: Settings | None = None, testing: tuple[str, ...] = ()
) -> ViewContext:
    nodes, members = tuple(node for node, _ in pairs), tuple(member for _, member in pairs)
    claims = tuple(make_claim(name) for name in testing)
    state = MemoryState(Changes(nodes=nodes, members=members, claims=claims))
    return ViewContext(settings or make_settings(), state, NOW, NOW - 22.0)


def make_pair(
    name: str, pool: str = "good", variables: dict[str, str] | None = None, **fields: object
) -> tuple[Node, Member]:
    member = replace(make_member(name, pool), **fields)  # type: ignore[arg-type]  # any field of Member
    return Node(name, variables or {}), member


def make_every_kind() -> ViewContext:
    """Return one node of each kind that the status tells apart."""
    return make_context(
        make_pair("good.example.org", ok_streak=5, last=PASSED, due_at=NOW + 480.0),
        make_pair("bad.example.org", "bad", fail_streak=3, last=FAILED, due_at=NOW + 8.0, penalty=2.5, penalty_at=NOW),
        make_pair("new.example.org", "bad"),
        make_pair("suspect.example.org", "bad", last=FAILED, suspicion=Suspicion("good", NOW - 9e4, 7, NOW - 400.0)),
        make_pair("held.example.org", last=PASSED, hold=Hold("ann", "swapping the disk", NOW - 60.0, NOW + 3600.0)),
        make_pair("over.example.org", last=PASSED, hold=Hold("ann", "long ago", NOW - 600.0, NOW - 300.0)),
        make_pair("asked.example.org", last=UNSURE, requested_at=NOW - 5.0),
        make_pair("labelled.example.org", variables={"site": "north", "rack": "3", "ssh_port": "2222"}, last=PASSED),
        make_pair("busy.example.org", last=PASSED),
        testing=("busy.example.org",),
    )


def make_vnode_view(node: str = "n1", state: str = "up", **fields: object) -> VnodeView:
    stored = VnodeState.PENDING if state == "setting-up" else VnodeState(state)
    vnode = replace(Vnode("web", node, stored, NOW - 60.0, NOW + 90.0), **fields)  # type: ignore[arg-type]  # any field of Vnode
    return VnodeView(vnode, VnodeState(state))


def make_experiment(**fields: object) -> Experiment:
    return replace(Experiment("web", "process", "ann", NOW - 3600.0), **fields)  # type: ignore[arg-type]  # any field of it


def make_experiment_context(
    experiment: Experiment, *places: VnodeView, nodes: tuple[tuple[Node, Member], ...] = ()
) -> ViewContext:
    """Return a situation with these nodes, or one in good for each place, and the experiment on them."""
    context = make_context(*(nodes or (make_pair(place.vnode.node) for place in places)))
    claims = tuple(
        make_claim(place.vnode.node, pool="web", experiment="web", goal=Goal.SETUP)
        for place in places
        if place.state is VnodeState.SETTING_UP
    )
    vnodes = tuple(place.vnode for place in places)
    state = context.state
    assert isinstance(state, MemoryState)
    state.apply(Changes(experiments=(experiment,), vnodes=vnodes, claims=claims))
    return context


def list_names(context: ViewContext) -> list[str]:
    return sorted(context.state.names())
