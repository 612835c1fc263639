"""Whatever the order of readings, ticks, results, kills, requests: busy nodes are spared, releases are answered."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from plabctl.core import node_orders
from plabctl.core.assign import assign
from plabctl.core.claim import Claimant, choose_rows, list_candidates, void_claims
from plabctl.core.fairness import compute_shares
from plabctl.core.model import Claim, Goal, Member
from plabctl.core.occupancy import find_busy
from plabctl.core.occupancy_changes import Listed, OccupancyReading, plan_occupancy
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import Settings
from plabctl.core.settle import settle
from plabctl.core.usable import explain_unusable
from plabctl.values import replace
from tests.builders import (
    NOW,
    make_mark,
    make_member,
    make_occupancy,
    make_order,
    make_recipe,
    make_report,
    make_settings,
    make_state,
)

NODES = ("a", "b", "c")
SOURCES = (make_occupancy("one", stale_after_s=300.0), make_occupancy("two", stale_after_s=300.0))


def make_rules(at_release: str) -> Settings:
    settings = make_settings(occupancies=SOURCES, recipes={name: make_recipe(name) for name in ("process", "command")})
    pools = {name: replace(pool, at_release=at_release) for name, pool in settings.pools.items()}
    return replace(settings, pools=pools)


class Course:
    """A state that goes on step by step, and what has to be true of it."""

    def __init__(self, at_release: str) -> None:
        self.how = at_release
        self.settings = make_rules(at_release)
        self.now = NOW
        self.state = make_state(*(make_member(name) for name in NODES))
        self.claimant = Claimant(make_mark(), "boot-1", Random(1))
        self.listed: dict[str, set[str]] = {each.name: set() for each in SOURCES}
        self.owed: dict[str, float] = {}
        """When nodes were released that no test or login has looked at since, or, where a test is asked for, passed."""

    def member(self, name: str) -> Member:
        member = self.state.member(name)
        assert member
        return member

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def read(self, source: int, names: set[str] | None) -> None:
        own = SOURCES[source]
        reading = OccupancyReading(self.now, fault="gone", is_unread=True)
        if names is not None:
            reading = OccupancyReading(self.now, {name: Listed() for name in names})
            others = set().union(*(listed for name, listed in self.listed.items() if name != own.name))
            for name in self.listed[own.name] - names - others:
                self.owed[name] = self.now
            self.listed[own.name] = names
        self.state.apply(plan_occupancy(self.state, self.settings, [(own, reading, None)], self.now))
        self.now += 1.0  # no two readings begin at one instant

    def tick(self, slots: int) -> None:
        rows = list_candidates(self.state, self.settings, self.now)
        shares = compute_shares(self.state, self.settings, self.now)
        chosen = choose_rows(rows, self.state.claims.values(), slots, self.now, shares).rows
        busy = find_busy(self.state.notes, SOURCES, self.now)
        for row in chosen:
            assert row.is_check or row.node not in busy or self.member(row.node).tests_busy
        jobs, changes = assign(self.state, self.settings, chosen, range(1, slots + 1), self.claimant, self.now)
        self.state.apply(changes)
        if self.how == "check":
            for job in jobs:
                self.owed.pop(job.claim.node, None)
        self.now += 1.0

    def end(self, outcome: str) -> None:
        for claim in list(self.state.claims.values()):
            self._end_one(claim, outcome)

    def _end_one(self, claim: Claim, outcome: str) -> None:
        report = make_report(
            claim.node, outcome, token=claim.token, started_at=claim.started_at, goal=claim.goal, seconds=1.0
        )
        self.state.apply(settle(self.state, [report], build_pools(self.settings), self.now, Random(1)))
        if self.how == "check":
            self.owed.pop(claim.node, None)  # it has logged in after the release, or could not
        is_answer = outcome == "pass" and claim.goal is Goal.TEST
        if self.how == "test" and is_answer and claim.started_at >= self.owed.get(claim.node, self.now + 1.0):
            del self.owed[claim.node]

    def kill(self) -> None:
        self.state.apply(void_claims(self.state, dict.fromkeys(self.state.claims, "killed"), self.now))

    def retest(self, name: str, *, takes_busy: bool) -> None:
        order = replace(make_order(now=self.now), takes_busy=takes_busy)
        self.state.apply(node_orders.retest(self.state, [name], order))

    def check(self) -> None:
        """Whoever was released is about to be looked at, and is withheld where the pool says so."""
        busy = find_busy(self.state.notes, SOURCES, self.now)
        listed = set().union(*self.listed.values())
        for name, released_at in self.owed.items():
            member = self.member(name)
            if self.how == "check":
                assert member.liveness
                assert member.liveness.due_at is not None
                assert member.liveness.due_at <= self.now
            elif self.how == "test":
                assert member.release_test_since_at == released_at
                assert explain_unusable(member, self.now, is_in_good=member.pool == "good")
        free = {name for name in NODES if name not in busy and name not in listed and name not in self.state.claims}
        rows = {row.node for row in list_candidates(self.state, self.settings, self.now)}
        if self.how == "check":
            assert free & self.owed.keys() <= rows


steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1.0, 60.0, 290.0, 1000.0])),
        st.tuples(st.just("read"), st.integers(0, 1), st.none() | st.sets(st.sampled_from(NODES))),
        st.tuples(st.just("read"), st.integers(0, 1), st.sets(st.sampled_from(NODES))),
        st.tuples(st.just("tick"), st.integers(1, 3)),
        st.tuples(st.just("end"), st.sampled_from(["pass", "pass", "fail", "unknown"])),
        st.tuples(st.just("kill")),
        st.tuples(st.just("retest"), st.sampled_from(NODES), st.booleans()),
    ),
    max_size=25,
)


@pytest.mark.parametrize("at_release", ["check", "test", "none"])
@example_settings(max_examples=50)
@given(steps)
def test_busy_nodes_are_spared_and_releases_are_answered(at_release: str, steps: Sequence[tuple[object, ...]]) -> None:
    course = Course(at_release)
    for name, *arguments in steps:
        if name == "retest":
            course.retest(str(arguments[0]), takes_busy=bool(arguments[1]))
        else:
            getattr(course, str(name))(*arguments)
        course.check()


@pytest.mark.parametrize("at_release", ["check", "test"])
def test_a_thousand_releases_at_once_are_no_storm(at_release: str) -> None:
    """After an outage of the source all jobs are over: the window holds, others get their turn, each is done once."""
    settings = make_rules(at_release)
    names = [f"n{number}" for number in range(1000)]
    good = [make_member(name, due_at=NOW + 1e6, interval_s=3600.0, probed_at=NOW) for name in names]
    bad = [make_member(f"bad{number}", "bad", due_at=NOW, interval_s=600.0) for number in range(20)]
    late = make_member("late", due_at=NOW, interval_s=3600.0, probed_at=NOW - 7200.0)
    state = make_state(*good, *bad, late)
    [source, _] = SOURCES
    for at, listed in ((NOW - 60.0, names), (NOW, [])):
        reading = OccupancyReading(at, {name: Listed() for name in listed})
        state.apply(plan_occupancy(state, settings, [(source, reading, None)], at))
    claimant = Claimant(make_mark(), "boot-1", Random(1))
    begun: list[tuple[int, str]] = []
    now, rounds = NOW, 0
    while rows := list_candidates(state, settings, now):
        chosen = choose_rows(rows, state.claims.values(), 40, now, compute_shares(state, settings, now)).rows
        jobs, changes = assign(state, settings, chosen, range(1, 41), claimant, now)
        state.apply(changes)
        assert len(state.claims) <= 40
        begun += [(rounds, job.claim.node) for job in jobs]
        reports = [
            make_report(job.claim.node, token=job.claim.token, started_at=now, goal=job.claim.goal) for job in jobs
        ]
        now += 1.0
        state.apply(settle(state, reports, build_pools(settings), now, Random(1)))
        rounds += 1
        assert rounds < 100
    first = {node: place for place, node in reversed(begun)}
    assert sum(node in set(names) for _, node in begun) == 1000, "each once"
    assert max(first[member.node] for member in bad) <= 1, "the other pool has its share at once"
    assert first["late"] <= 1 + 1000 // 20
