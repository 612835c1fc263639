"""Pools share the window by weight and reserve, in slot-seconds; nobody waits longer than the stated bound."""

import heapq
from collections import defaultdict
from itertools import pairwise
from math import floor
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.claim import choose_rows
from plabctl.core.due_rows import Due
from plabctl.core.fairness import HALF_LIFE_S, USE_NOTE, Share, compute_shares, compute_used, count_use, list_uses
from plabctl.core.model import Claim
from plabctl.core.settings import ExperimentSettings
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_member, make_report, make_settings, make_state
from tests.memory_state import MemoryState


class Job(NamedTuple):
    """A member that becomes due once, and how long its probe takes; `interval_s` 0: due at once before all others."""

    due_at: float
    seconds: float
    interval_s: float = 600.0


class Served(NamedTuple):
    pool: str
    job: Job
    start: float
    ahead: int


class Running(NamedTuple):
    pool: str


def serve(window: int, jobs: dict[str, list[Job]], shares: dict[str, Share], *, until: float = 1e9) -> list[Served]:
    """Play it in virtual time: every free slot goes at once to whom `choose_rows` names."""
    coming = sorted((job.due_at, pool, number) for pool, own in jobs.items() for number, job in enumerate(own))
    waiting: dict[tuple[str, int], Due] = {}
    running: list[tuple[float, str]] = []
    used: dict[str, float] = defaultdict(float)
    served: list[Served] = []
    now = used_at = 0.0
    while (coming or running or waiting) and now <= until:
        now = min([queue[0][0] for queue in (coming, running) if queue])
        while coming and coming[0][0] <= now:
            due_at, pool, number = coming.pop(0)
            job = jobs[pool][number]
            waiting[pool, number] = Due(str(number), pool, due_at, None, due_at - job.interval_s, job.interval_s)
        while running and running[0][0] <= now:
            heapq.heappop(running)
        faded = 2.0 ** (-(now - used_at) / HALF_LIFE_S)
        used = defaultdict(float, {pool: seconds * faded for pool, seconds in used.items()})
        used_at = now
        own = {pool: share._replace(used_s=used[pool]) for pool, share in shares.items()}
        claims = [Running(pool) for _, pool in running]
        for row in choose_rows(list(waiting.values()), claims, window - len(running), now, own).rows:
            job = jobs[row.pool][int(row.node)]
            del waiting[row.pool, int(row.node)]
            heapq.heappush(running, (now + job.seconds, row.pool))
            used[row.pool] += job.seconds  # as if it was known before: a tick learns of it at the end
            ahead = sum(done.pool == row.pool and done.start >= job.due_at for done in served)
            served.append(Served(row.pool, job, now, ahead))
    return served


def slots_of(pool: str, window: int, shares: dict[str, Share]) -> float:
    """The share of the docstring of `choose_rows`, in slots."""
    others = [share for name, share in shares.items() if name != pool]
    weights = sum(share.weight for share in shares.values())
    left = window - sum(share.reserve for share in others) - len(others)
    return max(shares[pool].reserve, floor(left * shares[pool].weight / weights))


def longest_excess(window: int, jobs: dict[str, list[Job]], shares: dict[str, Share]) -> float:
    """By how much the longest wait exceeds its bound; negative when none does."""
    longest = max(job.seconds for own in jobs.values() for job in own)
    excess = float("-inf")
    for done in serve(window, jobs, shares):
        slots = slots_of(done.pool, window, shares)
        if slots >= 1:
            excess = max(excess, done.start - done.job.due_at - (2 + done.ahead / slots) * longest)
    return excess


pools = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(
        st.lists(
            st.builds(Job, st.integers(0, 300), st.integers(1, 60), st.sampled_from([0.0, 60.0, 3600.0])),
            min_size=1,
            max_size=25,
        ),
        st.sampled_from([0.5, 1.0, 3.0]),
        st.integers(0, 2),
    ),
    min_size=1,
)


@given(st.integers(1, 16), pools)
@settings(max_examples=150, deadline=None)
def test_nobody_waits_longer_than_the_stated_bound(
    window: int, given_pools: dict[str, tuple[list[Job], float, int]]
) -> None:
    jobs = {pool: own for pool, (own, _, _) in given_pools.items()}
    room = window
    shares = {}
    for pool, (_, weight, reserve) in given_pools.items():
        shares[pool] = Share(weight, min(reserve, room))
        room -= shares[pool].reserve

    assert longest_excess(window, jobs, shares) <= 0


DEFAULTS = {"good": Share(1.0, 4), "bad": Share(1.0, 4), "exp": Share(1.0, 0)}


def health_jobs(seconds: float) -> dict[str, list[Job]]:
    """A thousand nodes over half an hour, a sixth of them dead, as the window of 40 is made for."""
    return {
        "good": [Job(number * 2.2, 8.0) for number in range(820)],
        "bad": [Job(number * 10.0, seconds) for number in range(180)],
    }


def test_a_swap_in_of_a_thousand_vnodes_stops_no_health_test() -> None:
    jobs = {**health_jobs(40.0), "exp": [Job(600.0, 60.0, 0.0) for _ in range(1000)]}

    served = serve(40, jobs, DEFAULTS)

    waits = {pool: max(done.start - done.job.due_at for done in served if done.pool == pool) for pool in jobs}
    assert waits["good"] <= 60
    assert waits["bad"] <= 60
    # What the health tests leave of the window is its own: 20 slots of good and bad are busy at the very most.
    assert max(done.start for done in served if done.pool == "exp") <= 600 + 1000 * 60 / 20


def test_a_bad_pool_full_of_dead_nodes_stops_no_swap_in() -> None:
    jobs = {
        "good": health_jobs(40.0)["good"],
        "bad": [Job(0.0, 600.0) for _ in range(500)],
        "exp": [Job(900.0, 30.0, 0.0) for _ in range(200)],
    }

    served = serve(40, jobs, DEFAULTS, until=20_000)

    exp = [done for done in served if done.pool == "exp"]
    assert len(exp) == 200
    assert max(done.start for done in exp) <= 900 + 600 + 200 * 30 / 12
    assert max(done.start - done.job.due_at for done in served if done.pool == "good") <= 600 + 60


def test_without_a_reserve_many_experiments_would_crowd_health_out_and_with_one_they_do_not() -> None:
    experiments = {f"e{number:02}": [Job(0.0, 60.0, 0.0) for _ in range(60)] for number in range(38)}
    shares = {"good": Share(1.0, 4), **dict.fromkeys(experiments, Share())}
    jobs = {"good": [Job(float(number), 10.0) for number in range(1200)], **experiments}

    def wait(good: Share) -> float:
        served = serve(40, jobs, {**shares, "good": good}, until=1200)
        return max(done.start - done.job.due_at for done in served if done.pool == "good")

    assert wait(Share(1.0, 12)) <= 60
    assert wait(Share(1.0, 0)) > 300


@pytest.mark.parametrize(("weights", "window"), [((1.0, 1.0, 1.0), 1), ((1.0, 2.0, 1.0), 2), ((1.0, 3.0, 4.0), 8)])
def test_slot_seconds_go_by_weight_also_when_there_are_fewer_slots_than_pools(
    weights: tuple[float, ...], window: int
) -> None:
    """However long their probes take, and whoever's members are due at once before all others."""
    seconds = (4.0, 9.0, 30.0)
    names = ("good", "bad", "exp")
    # Twice as many as its share of the window comes to: there is always somebody due.
    slots = [2 * window * weight / sum(weights) for weight in weights]
    jobs = {
        name: [Job(0.0, took, 0.0 if name == "exp" else 600.0) for _ in range(int(slot * 1400 / took))]
        for name, took, slot in zip(names, seconds, slots, strict=True)
    }
    shares = {name: Share(weight) for name, weight in zip(names, weights, strict=True)}

    served = serve(window, jobs, shares, until=1200)

    got = {name: sum(done.job.seconds for done in served if done.pool == name) for name in names}
    whole = sum(got.values())
    for name, weight in zip(names, weights, strict=True):
        assert got[name] / whole == pytest.approx(weight / sum(weights), rel=0.15)


def test_a_pool_that_was_idle_saves_up_no_more_than_a_few_minutes() -> None:
    jobs = {
        "old": [Job(0.0, 10.0) for _ in range(1000)],
        "new": [Job(7200.0, 10.0, 0.0) for _ in range(300)],
    }

    served = serve(1, jobs, {"old": Share(), "new": Share()}, until=9500)

    starts = [done.start for done in served if done.pool == "old" and done.start >= 7100]
    assert max(after - before for before, after in pairwise(starts)) <= HALF_LIFE_S + 10


def test_what_probes_use_is_counted_for_their_pool_and_fades() -> None:
    state = make_state(make_member("n1"), claims=[make_claim("n1")])
    state.apply(count_use(state, [make_report("n1", seconds=8.0), make_report("gone")], NOW))

    assert compute_used(state, NOW) == {"good": 8.0}
    assert compute_used(state, NOW + HALF_LIFE_S) == {"good": 4.0}
    assert compute_used(state, NOW + 60 * HALF_LIFE_S) == {}
    assert not count_use(state, [], NOW)


def test_shares_come_from_the_configuration() -> None:
    from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

    own = ExperimentSettings(weight=2.0, reserve=0.05)
    bed = VirtualTestbed("n1", settings=make_settings(experiment=own, window=40))
    bed.swap_in(wanted(nodes=("n1",)))

    assert compute_shares(bed.state, bed.settings, NOW) == {
        "good": Share(1.0, 4), "bad": Share(1.0, 4), "exp": Share(2.0, 2),
    }  # fmt: skip


def test_how_pools_fare_is_told() -> None:
    rows = [
        make_member("g1", due_at=NOW - 50),
        make_member("g2", due_at=NOW - 9),
        make_member("g3", due_at=NOW + 9),
        make_member("b1", "bad"),
    ]
    claims: list[Claim] = [make_claim("b1", pool="bad")]
    state: MemoryState = make_state(*rows, claims=claims)
    state.apply(Changes(notes={USE_NOTE.topic: {"at": NOW, "slot_s": {"good": 30.0, "bad": 10.0}}}))

    good, bad = list_uses(state, make_settings(window=10), NOW)

    assert (good.held_count, good.due_count, good.oldest_wait_s, good.used_ratio) == (0, 2, 50.0, 0.75)
    assert (bad.held_count, bad.due_count, bad.oldest_wait_s, bad.used_ratio) == (1, 0, 0.0, 0.25)
    assert (good.share_ratio, good.reserve_ratio, bad.share_ratio) == (0.5, 0.1, 0.5)


@pytest.mark.parametrize("note", [{"at": "noon", "slot_s": {"good": 9.0}}, {"at": NOW, "slot_s": "much"}, {"at": NOW}])
def test_a_damaged_note_counts_as_none(note: dict[str, object]) -> None:
    state = make_state(make_member())
    state.apply(Changes(notes={USE_NOTE.topic: note}))

    assert compute_used(state, NOW) == {}
    assert compute_shares(state, make_settings(), NOW)["good"].used_s == 0.0


def test_what_is_counted_is_kept_to_the_millisecond() -> None:
    state = make_state(make_member("n1"), claims=[make_claim("n1")])

    assert count_use(state, [make_report("n1", seconds=1 / 7)], NOW).notes == {
        USE_NOTE.topic: {"at": NOW, "slot_s": {"good": 0.143}}
    }


def test_where_nothing_was_used_and_nobody_waits_each_pool_has_its_reserve() -> None:
    good, bad = list_uses(make_state(make_member(due_at=NOW + 9)), make_settings(window=10), NOW)

    assert (good.used_ratio, good.share_ratio, good.is_experiment) == (0.0, 0.1, False)
    assert (bad.used_ratio, bad.share_ratio, bad.oldest_wait_s) == (0.0, 0.1, 0.0)


def test_a_pool_that_nobody_waits_for_leaves_the_rest_of_its_share_to_the_others() -> None:
    good, bad = list_uses(make_state(make_member(due_at=NOW - 9)), make_settings(window=10), NOW)

    assert (good.share_ratio, bad.share_ratio) == (1.0, 0.1)


def test_a_slot_is_held_to_the_deadline_of_its_claim_and_no_longer() -> None:
    for deadline_at, count in ((NOW, 1), (NOW - 0.001, 0)):
        state = make_state(make_member(), claims=[make_claim(deadline_at=deadline_at)])

        assert list_uses(state, make_settings(), NOW)[0].held_count == count


def test_an_experiment_is_told_as_one_with_the_reserve_of_experiments() -> None:
    from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

    bed = VirtualTestbed("n1", settings=make_settings(experiment=ExperimentSettings(reserve=0.05)))
    bed.swap_in(wanted(nodes=("n1",)))

    fares = {use.name: (use.is_experiment, use.reserve_ratio) for use in list_uses(bed.state, bed.settings, bed.now)}
    assert fares == {"good": (False, 0.1), "bad": (False, 0.1), "exp": (True, 0.05)}
