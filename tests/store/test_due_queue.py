"""Who comes first of a crowd that waits, set against a look at all of it."""

from random import Random
from typing import Any

import pytest

from plabctl.core.claim import list_unclaimed
from plabctl.core.due_rows import Due
from plabctl.core.experiments.model import Vnode, VnodeState
from plabctl.core.liveness import Liveness
from plabctl.core.model import Member
from plabctl.core.shortlist import shorten
from plabctl.store import codec, due_index
from plabctl.store.documents import DocumentState
from plabctl.store.due_index import DueIndex
from plabctl.store.due_queue import DueQueue, IntervalClass, build_entry
from plabctl.store.experiment_codec import encode_vnode
from plabctl.store.tables import CLAIMS, NODES, VNODES, empty_tables
from tests.builders import NOW, make_claim, make_member, make_node

NAMES = [f"n{number}" for number in range(20)]
SECONDS = (-3000.0, -20.0, -10.0, 0.0, 4.0, 9.0, 14.0, 30.0)
INTERVALS = (0.0, 0.5, 60.0, 61.0, 62.0, 3600.0)


def make_crowd(dice: Random, count: int) -> list[Member]:
    """Members of which most are due, some with the same interval and some with nearly that."""

    def choose_time(share: float) -> float | None:
        return NOW + dice.choice(SECONDS) if dice.random() < share else None

    return [
        make_member(
            name,
            dice.choice(["good", "good", "good", "bad", "closed"]),
            due_at=NOW + dice.choice(SECONDS),
            probed_at=choose_time(0.8),
            interval_s=dice.choice(INTERVALS),
            requested_at=choose_time(0.3),
            absent_since_at=choose_time(0.2),
            liveness=Liveness(choose_time(0.7), 200.0) if dice.random() < 0.3 else None,
        )
        for name in dice.sample(NAMES, count)
    ]


def change(kept: DueIndex, dice: Random) -> None:
    """Add and change members and vnodes, remove some, claim some and release others."""
    nodes, vnodes, claims = (kept.tables[name] for name in (NODES, VNODES, CLAIMS))
    put(kept, *make_crowd(dice, dice.randint(0, 4)))
    for name in dice.sample(NAMES, 2):
        state = dice.choice([VnodeState.PENDING, VnodeState.LEAVING])
        vnode = Vnode("exp", name, state, NOW, NOW + dice.choice(SECONDS), interval_s=dice.choice(INTERVALS))
        vnodes[vnode.key] = encode_vnode(vnode)
        kept.note(VNODES, [vnode.key])
    gone = dice.choice(NAMES)
    for table, key in ((nodes, gone), (vnodes, f"exp/{gone}")):
        table.pop(key, None)
    kept.note(NODES, [gone])
    kept.note(VNODES, [f"exp/{gone}"])
    released = [*claims]
    claims.clear()
    for key in dice.sample(sorted({*nodes, *vnodes}), min(len(nodes), 2)):
        claims[key] = codec.encode_claim(make_claim(key.rpartition("/")[2], experiment="exp" if "/" in key else ""))
    kept.note(CLAIMS, [*released, *claims])


def put(kept: DueIndex, *members: Member) -> None:
    for member in members:
        kept.tables[NODES][member.node] = codec.encode_node(make_node(member.node), codec.encode_member(member))
    kept.note(NODES, [member.node for member in members])


def test_those_come_first_that_are_most_urgent() -> None:
    pools = ("good", "bad")
    for seed in range(80):
        dice, now, kept = Random(seed), NOW, DueIndex(empty_tables())
        put(kept, *make_crowd(dice, len(NAMES)))
        for _ in range(5):
            now += dice.choice([0.0, 5.0, 5.0, 4000.0, -15.0])
            latest_at, count = now + dice.choice([1.0, 15.0, 40.0]), dice.randint(0, 4)
            change(kept, dice)

            found = kept.shortlist(now, count, latest_at=latest_at, pools=pools)
            state = DocumentState(1, kept.tables)
            wanted = shorten(list_unclaimed(state, now, latest_at=latest_at, pools=pools), count, now)
            assert (seed, found.total) == (seed, wanted.total)
            assert sorted(found.rows, key=str) == sorted(wanted.rows, key=str), seed
            assert kept.counts() == state.counts(), seed


def make_class(*intervals: float) -> IntervalClass:
    queue = DueQueue()
    for number, interval_s in enumerate(intervals):
        row = Due(f"n{number}", "good", NOW, None, NOW, interval_s)
        queue.add(build_entry(row), row, 16.0)
    (found,) = queue.list_classes()
    return found


@pytest.mark.parametrize(("shortest_s", "longest_s"), [(58.2, 61.8), (0.49, 0.5)])
@pytest.mark.parametrize("waited_s", [600.0, 0.5])
def test_nothing_of_a_class_comes_before_its_bound(shortest_s: float, longest_s: float, waited_s: float) -> None:
    for found in (make_class(shortest_s, longest_s), make_class(longest_s, shortest_s)):
        top = found.heap[0]

        assert found.bound(top, NOW + waited_s) == (-waited_s / shortest_s,)
        assert found.bound(top, NOW - waited_s) == (waited_s / longest_s,), "a clock was set back"


def test_intervals_that_differ_more_are_in_other_classes() -> None:
    with pytest.raises(ValueError, match="too many values"):
        make_class(60.0, 3600.0)


def test_what_is_stale_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_index, "_SLACK", 10)
    kept = DueIndex(empty_tables())
    counts = []
    for seconds in range(60):
        known: dict[str, Any] = {"probed_at": NOW - seconds, "interval_s": 3600.0}
        asked, waits = make_member("asked", requested_at=NOW - seconds, **known), make_member("waits", **known)
        put(kept, asked, waits, make_member("sleeps", due_at=NOW + 90.0 - seconds, **known))
        kept.shortlist(NOW, 1, latest_at=NOW + 100.0, pools=("good",))
        queue = kept._queues["good", False]
        counts.append(len(kept._sleeping) + sum(len(each.heap) for each in (queue.requested, *queue.list_classes())))

    assert 12 < max(counts) <= 2 * 3 + 10 + 3


def test_how_many_are_in_each_pool_is_known_after_every_change() -> None:
    kept = DueIndex(empty_tables())
    put(kept, make_member("n1"), make_member("n2"))
    assert kept.counts() is None, "it was not asked for anything yet"
    kept.shortlist(NOW, 1, latest_at=NOW, pools=("good",))
    assert kept.counts() == {"good": 2}

    put(kept, make_member("n2", "bad"))
    assert kept.counts() == {"good": 1, "bad": 1}
