"""Whatever happens, in whatever order: one vnode for a member, ever, and in the end all that is wanted and no more."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plabctl.core.model import Cause, Claim, Goal, Report
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

NODES = ("n1", "n2", "n3", "n4")
EXPERIMENTS = ("a", "b", "c")


class Life(RuleBasedStateMachine):
    """Nodes die and return, come and go; ticks claim, probe, are killed at any point, and report late."""

    def __init__(self) -> None:
        super().__init__()
        self.bed = VirtualTestbed(*NODES)
        self.running: list[Claim] = []
        self.carried_out: list[Report] = []

    @rule(name=st.sampled_from(EXPERIMENTS), kind=st.sampled_from(("nodes", "count", "all")), count=st.integers(1, 3))
    def swap_in(self, name: str, kind: str, count: int) -> None:
        wishes: dict[str, dict[str, Any]] = {
            "nodes": {"nodes": tuple(name for name in NODES[:count] if self.bed.state.node(name))},
            "count": {"count": count, "at_most": True},
            "all": {"is_everywhere": True},
        }
        options = wishes[kind]
        self.allowed(lambda: self.bed.swap_in(wanted(name, **options)))

    @rule(name=st.sampled_from(EXPERIMENTS))
    def swap_out(self, name: str) -> None:
        self.allowed(lambda: self.bed.swap_out(name))

    def allowed(self, order: Any) -> None:
        from plabctl.errors import PlabctlError

        try:
            order()
        except PlabctlError:
            self.bed.reconcile()

    @rule(count=st.integers(1, 4))
    def claim(self, count: int) -> None:
        self.running += self.bed.start(count)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        """Do the work, not yet reported: a tick may die in between."""
        claim = data.draw(st.sampled_from(self.running))
        self.running.remove(claim)
        if self.bed.state.claims.get(claim.key) == claim:  # a holder that lost its claim is dead
            self.carried_out.append(self.bed.carry_out(claim))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), cause=st.sampled_from((Cause.INTERRUPTED, Cause.LOCAL, Cause.SETUP)))
    def break_off(self, data: st.DataObject, cause: Cause) -> None:
        """End the work half-way: the vnode may or may not be there."""
        claim = data.draw(st.sampled_from(self.running))
        self.running.remove(claim)
        if self.bed.state.claims.get(claim.key) != claim:
            return
        if claim.goal is Goal.SETUP and claim.node not in self.bed.dead:
            self.bed.carry_out(claim)
        outcome = "fail" if cause is Cause.SETUP else "unknown"
        if cause is not Cause.SETUP or claim.goal is Goal.SETUP:
            self.carried_out.append(self.bed.report(claim, outcome, cause, left=(claim.vnode,)))

    @precondition(lambda self: self.carried_out)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        report = data.draw(st.sampled_from(self.carried_out))
        self.carried_out.remove(report)
        self.bed.settle(report)

    @rule()
    def kill(self) -> None:
        """The tick dies with all it has claimed; what it carried out is reported late, or never."""
        self.bed.kill(*[claim for claim in self.bed.state.claims.values() if claim.experiment])
        self.running.clear()

    @rule(name=st.sampled_from(NODES))
    def die(self, name: str) -> None:
        self.bed.dead.add(name)

    @rule(name=st.sampled_from(NODES))
    def reboot(self, name: str) -> None:
        self.bed.dead.discard(name)
        self.bed.placement.pop(name, None)

    @rule(name=st.sampled_from(NODES), pool=st.sampled_from(("good", "bad")))
    def put(self, name: str, pool: str) -> None:
        if self.bed.state.node(name):
            self.bed.put(name, pool)

    @rule(name=st.sampled_from(NODES))
    def remove(self, name: str) -> None:
        if self.bed.state.node(name):
            self.bed.remove(name)
            self.bed.reconcile()

    @rule(name=st.sampled_from(NODES))
    def add(self, name: str) -> None:
        if not self.bed.state.node(name):
            self.bed.add(name)
            self.bed.reconcile()

    @rule(seconds=st.sampled_from((1.0, 60.0, 600.0, 1800.0, 7200.0)))
    def wait(self, seconds: float) -> None:
        self.bed.wait(seconds)

    @invariant()
    def one_claim_for_each_member_and_a_name_for_all_that_stands(self) -> None:
        """Whatever stands on a machine is known by name, so that it can be torn down: none can be lost."""
        known: dict[str, set[str]] = {}
        for vnode in self.bed.state.vnodes():
            known.setdefault(vnode.node, set()).add(vnode.vnode)
        for node, vnodes in self.bed.placement.items():
            assert vnodes <= known.get(node, set()), f"nobody knows of {vnodes} on {node}"

    def teardown(self) -> None:
        """Let all nodes live and time pass: what is wanted stands once where it should, and nothing else anywhere."""
        self.kill()
        self.bed.dead.clear()
        for name in NODES:
            if self.bed.state.node(name):
                self.bed.put(name, "good")
        for _ in range(4):
            self.bed.wait(7200)
            self.bed.work()
        up: dict[str, set[str]] = {}
        for name in list(self.bed.state.experiments):
            overview = self.bed.picture(name)
            assert set(overview.counts) <= {"up"}, (name, self.bed.states(name))
            if not overview.missing:
                assert len(overview.vnode_views) == min(overview.wanted_count, len(list(self.bed.state.nodes())))
            for place in overview.vnode_views:
                up.setdefault(place.vnode.node, set()).add(place.vnode.vnode)
        assert {node: vnodes for node, vnodes in self.bed.placement.items() if vnodes} == up
        for name in list(self.bed.state.experiments):
            self.bed.swap_out(name)
        self.bed.work()
        assert not self.bed.state.experiments
        assert not any(self.bed.placement.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
