"""When a claim is over, and who is not taken at all."""

from dataclasses import replace
from random import Random

import pytest

from plabctl.core.claim import Claimant, choose_rows, find_void_reason, list_candidates, void_claims
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.fairness import Share
from plabctl.core.model import Member
from plabctl.core.pools.bad import BadKind
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_mark, make_member, make_settings, make_state

SETTINGS = make_settings()
CLAIMANT = Claimant(make_mark(), "boot-1", Random(1), 500.0)


@pytest.mark.parametrize(
    ("until_uptime_s", "uptime_s", "now", "is_void"),
    [
        (None, None, NOW + 600, False),
        (None, None, NOW + 600.001, True),
        (None, 9e9, NOW + 600, False),
        (700.0, None, NOW + 600, False),
        (700.0, None, NOW + 601, True),
        (700.0, 700.0, NOW + 9e9, False),
        (700.0, 700.001, NOW, True),
    ],
)
def test_a_claim_lives_to_its_last_moment_by_the_uptime_if_both_know_it_and_else_by_the_clock(
    until_uptime_s: float | None, uptime_s: float | None, now: float, *, is_void: bool
) -> None:
    claim = make_claim(until_uptime_s=until_uptime_s)

    assert bool(find_void_reason(claim, replace(CLAIMANT, uptime_s=uptime_s), now)) is is_void


def test_a_vnode_whose_claim_is_void_is_due_at_once_under_its_name() -> None:
    vnode = Vnode("exp", "n1", VnodeState.UP, NOW - 9, NOW + 900, vnode="plabctl-x", interval_s=600.0)
    claim = make_claim(experiment="exp", vnode="plabctl-x")
    state = make_state(make_member(), claims=[claim])
    state.apply(Changes(experiments=(Experiment("exp", "process", "ada", NOW),), vnodes=(vnode,)))

    state.apply(void_claims(state, {"exp/n1": "its holder is gone"}, NOW + 5))

    assert state.vnode("exp/n1") == replace(vnode, due_at=NOW + 5, interval_s=0.0)
    assert state.member("n1") == make_member(), "the health of the node has nothing to do with it"
    assert not state.claims


def test_the_claim_of_a_vnode_that_is_gone_ends_all_the_same() -> None:
    state = make_state(make_member(), claims=[make_claim(experiment="exp")])

    changes = void_claims(state, {"exp/n1": "its holder is gone"}, NOW)

    assert (changes.vnodes, changes.members, changes.released) == ((), (), ("exp/n1",))


def test_nodes_of_a_disabled_pool_are_only_tested_when_they_are_named() -> None:
    settings = make_settings()
    broken = BadKind()
    broken.fault = "its package is gone"
    bad = replace(settings.pools["bad"], kind=broken)
    settings = replace(settings, pools={**settings.pools, "bad": bad})
    state = make_state(make_member("n1"), make_member("n2", "bad"))

    assert [row.node for row in list_candidates(state, settings, NOW)] == ["n1"]
    assert [row.node for row in list_candidates(state, settings, NOW, only={"n2"})] == ["n2"]


def test_nodes_of_a_pool_that_is_configured_no_more_are_not_tested_and_vnodes_are() -> None:
    vnode = Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW)
    state = make_state(make_member("n1", "gone"), make_member("n2"))
    state.apply(Changes(experiments=(Experiment("exp", "process", "ada", NOW),), vnodes=(vnode,)))

    for only in (None, {"n1", "n2", "exp/n1"}):
        assert {row.key for row in list_candidates(state, SETTINGS, NOW, only=only)} == {"n2", "exp/n1"}


def chosen(*members: Member, count: int, **shares: Share) -> list[str]:
    state = make_state(*members)
    return [row.node for row in choose_rows(list_candidates(state, SETTINGS, NOW), [], count, NOW, shares).rows]


def test_a_requested_retest_counts_for_the_share_of_its_pool() -> None:
    requested = make_member("a", "bad", requested_at=NOW)
    urgent = make_member("b", "bad", interval_s=0.0)
    waiting = make_member("c", "good", interval_s=600.0, probed_at=NOW - 600)

    assert chosen(requested, urgent, waiting, count=2) == ["a", "c"]


def test_slots_go_to_pools_by_their_weight() -> None:
    members = [make_member(f"{pool}{number}", pool) for pool in ("good", "bad") for number in range(8)]

    names = chosen(*members, count=8, good=Share(weight=3.0), bad=Share(weight=1.0))

    assert sum(name.startswith("good") for name in names) == 6


def test_what_waits_for_less_than_a_second_is_not_due_at_once_before_all_others() -> None:
    brief = make_member("a", interval_s=0.5, probed_at=NOW - 0.5)

    assert chosen(brief, make_member("b", interval_s=0.0), count=1) == ["b"]
