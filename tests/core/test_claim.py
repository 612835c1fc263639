from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import claim as claiming
from plabctl.core.assign import assign
from plabctl.core.claim import Choice, Claimant, find_void_reason, give_back, list_candidates
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Claim, Member
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_mark, make_member, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings()
CLAIMANT = Claimant(make_mark(), "boot-1", Random(1))


def choose(state: MemoryState, count: int, only: set[str] | None = None) -> Choice:
    rows = list_candidates(state, SETTINGS, NOW, only=only)
    return claiming.choose_rows(rows, state.claims.values(), count, NOW)


def chosen(*members: Member, count: int = 1, claims: tuple[Claim, ...] = ()) -> list[str]:
    choice = choose(make_state(*members, claims=claims), count)
    return [row.node for row in choice.rows]


def test_only_what_is_due_is_chosen() -> None:
    assert chosen(make_member("later", due_at=NOW + 1), make_member("due"), count=9) == ["due"]


def test_a_node_does_not_wait_for_a_clock_that_was_set_back() -> None:
    assert chosen(make_member("year-off", due_at=NOW + 3e7), make_member("hour-off", due_at=NOW + 3600)) == ["year-off"]


def test_a_requested_retest_comes_before_everything() -> None:
    entering = make_member("entering", interval_s=0.0)
    requested = make_member("requested", probed_at=NOW - 1, interval_s=3600.0, requested_at=NOW)

    assert chosen(entering, requested) == ["requested"]


def test_what_is_due_at_once_comes_before_what_waits() -> None:
    waiting = make_member("waiting", probed_at=NOW - 7200, interval_s=600.0)
    suspect = make_member("suspect", probed_at=NOW, interval_s=0.0)

    assert chosen(waiting, suspect) == ["suspect"]


def test_the_largest_wait_in_terms_of_its_interval_comes_first() -> None:
    hourly = make_member("hourly", probed_at=NOW - 7200, interval_s=3600.0)
    quick = make_member("quick", probed_at=NOW - 1500, interval_s=300.0)

    assert chosen(hourly, quick) == ["quick"]


def test_a_claimed_member_is_not_chosen_again() -> None:
    assert chosen(make_member(), claims=(make_claim(),)) == []


def test_a_pool_whose_probes_hold_the_window_lets_the_other_go_first() -> None:
    dead = [make_member(f"dead{number}", "bad", probed_at=NOW - 9e5, interval_s=3600.0) for number in range(9)]
    running = tuple(make_claim(f"dead{number}", pool="bad") for number in range(4))
    good = [make_member(f"good{number}", "good", probed_at=NOW - 4000, interval_s=3600.0) for number in range(5)]

    names = chosen(*dead, *good, count=6, claims=running)

    assert Counter(name[:4] for name in names) == {"good": 5, "dead": 1}


def test_how_many_must_wait_is_said() -> None:
    state = make_state(*(make_member(f"n{number}") for number in range(5)))

    assert choose(state, 2).waiting_count == 3


def test_named_nodes_are_chosen_whatever_their_time_and_no_others() -> None:
    state = make_state(make_member("asked", due_at=NOW + 999), make_member("due"))

    assert [row.node for row in choose(state, 9, {"asked"}).rows] == ["asked"]


@pytest.mark.parametrize(
    ("boot", "now", "void"), [("boot-1", NOW, False), ("boot-2", NOW, True), ("boot-1", NOW + 601, True)]
)
def test_a_claim_is_void_after_a_boot_or_its_deadline(boot: str, now: float, void: bool) -> None:
    assert bool(find_void_reason(make_claim(), Claimant(make_mark(), boot, Random(1)), now)) is void


@pytest.mark.parametrize(
    ("clock_set_s", "up_s", "void"), [(86400, 10, False), (-86400, 10, False), (-86400, 999, True)]
)
def test_whether_the_deadline_of_a_claim_has_passed_does_not_depend_on_the_clock(
    clock_set_s: float, up_s: float, void: bool
) -> None:
    rows = choose(make_state(make_member()), 1).rows
    claimant = Claimant(make_mark(), "boot-1", Random(1), uptime_s=50_000.0)
    ((claim, _),), _ = assign(make_state(make_member()), SETTINGS, rows, [1], claimant, NOW)

    later = replace(claimant, uptime_s=50_000.0 + up_s)
    assert bool(find_void_reason(claim, later, NOW + clock_set_s + up_s)) is void


def test_only_names_that_were_made_for_a_claim_are_given_back() -> None:
    def claim(node: str, vnode: str) -> Claim:
        return make_claim(node, experiment="exp", token=f"t-{node}", vnode=vnode)

    pending = Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW)
    fresh, known, gone = claim("n1", "plabctl-t-n1"), claim("n2", "plabctl-old"), claim("n3", "plabctl-t-n3")
    vnodes = (replace(pending, vnode=fresh.vnode), replace(pending, node="n2", vnode=known.vnode))
    state = MemoryState(Changes(experiments=(Experiment("exp", "process", "ada", NOW),), vnodes=vnodes))

    changes = give_back(state, [fresh, known, gone, make_claim("n1")])

    assert changes == Changes(vnodes=(pending,), released=("exp/n1", "exp/n2", "exp/n3", "n1"))


members_lists = st.lists(
    st.builds(
        make_member,
        node=st.integers(0, 500).map("n{}".format),
        pool=st.sampled_from(["good", "bad"]),
        due_at=st.floats(NOW - 9999, NOW + 3600),
        probed_at=st.none() | st.floats(NOW - 9999, NOW),
        interval_s=st.sampled_from([0.0, 300.0, 3600.0]),
        requested_at=st.none() | st.floats(NOW - 99, NOW),
    ),
    max_size=60,
    unique_by=lambda member: member.node,
)


@given(members_lists, st.integers(0, 50))
def test_never_more_than_the_slots_and_each_member_once(members: list[Member], count: int) -> None:
    state = make_state(*members)

    choice = choose(state, count)

    names = [row.node for row in choice.rows]
    due = {member.node for member in members if member.due_at <= NOW}
    assert len(names) == len(set(names)) == min(count, len(due))
    assert set(names) <= due
    assert choice.waiting_count == len(due) - len(names)


@given(members_lists)
def test_no_slot_stays_free_while_somebody_is_due(members: list[Member]) -> None:
    due_count = sum(member.due_at <= NOW for member in members)

    assert len(choose(make_state(*members), 500).rows) == due_count


@given(st.integers(1, 8), st.integers(0, 60), st.integers(1, 40), st.randoms(use_true_random=False))
def test_nobody_starves_however_long_dead_nodes_take(window: int, dead: int, alive: int, rng: Random) -> None:
    """A due good member waits at most one dead probe per share of the window, plus one, for each round ahead of it."""
    state = make_state(
        *(make_member(f"dead{number}", "bad", interval_s=300.0) for number in range(dead)),
        *(make_member(f"alive{number}", "good", interval_s=300.0) for number in range(alive)),
    )
    share = max(1, window // 2)
    ends: list[tuple[int, str]] = []
    waited: dict[str, int] = {}
    time, longest = 0, 25
    while len(waited) < alive:
        taken = _take(state, window - len(ends))
        for row in taken.rows:
            ends.append((time + (longest if row.pool == "bad" else rng.randint(1, 3)), row.node))
            if row.pool == "good":
                waited.setdefault(row.node, time)
        time = min(end for end, _ in ends)
        for end in [end for end in ends if end[0] <= time]:
            ends.remove(end)
            state.apply(Changes(released=(end[1],)))
            member = state.member(end[1])
            assert member is not None
            state.apply(Changes(members=(_again(member, time),)))

    assert max(waited.values()) <= longest * (2 + alive / share)


def _take(state: MemoryState, count: int) -> Choice:
    choice = choose(state, count)
    slots = list(range(count))
    _, changes = assign(state, SETTINGS, choice.rows, slots, CLAIMANT, NOW)
    state.apply(changes)
    return choice


def _again(member: Member, time: int) -> Member:
    """The member as it waits after a probe: a dead one is due again at once, an alive one never more."""
    due_at = NOW if member.pool == "bad" else NOW + 10**6
    return make_member(member.node, member.pool, due_at=due_at, probed_at=NOW + time, interval_s=300.0)
