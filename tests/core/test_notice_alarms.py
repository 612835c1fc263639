"""What notices are about: nodes that worked and are known to be bad, small pools, guards, faults; and nothing else."""

from dataclasses import replace
from typing import Any

from plabctl.core.fault_events import FAULTS_NOTE, ToldFault
from plabctl.core.guard.model import GUARD_NOTE, Guard, GuardedScope
from plabctl.core.model import Cause, Hold, Member, Node, Outcome, Verdict
from plabctl.core.notice_alarms import STUCK, Scope, find_situation
from plabctl.core.notices import Alarm, Memory, Situation, Told, Topic
from plabctl.core.standing import list_standings
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from tests.builders import NOW, make_member, make_settings, make_state
from tests.memory_state import MemoryState

ALL = Scope(frozenset(Topic))
FAILED = Verdict(Outcome.FAIL, Cause.CONNECT, "connection refused", NOW - 60, 1.0)


def make_bad(node: str = "n1", **fields: Any) -> Member:
    """A node that was good once, and has failed since."""
    known: dict[str, Any] = {
        "pool": "bad",
        "fail_streak": 2,
        "penalty_at": NOW - 900,
        "penalty": 1.0,
        "last": FAILED,
    } | fields
    return make_member(node, **known)


def look(state: MemoryState, scope: Scope = ALL, memory: Memory | None = None) -> Situation:
    settings = make_settings()
    standings = list(list_standings(state, settings, NOW, "\0"))
    return find_situation(standings, state, settings, NOW, scope, memory or {})


def list_keys(*members: Member, scope: Scope = ALL) -> list[str]:
    return list(look(make_state(*members), scope).alarms)


def test_a_node_that_went_bad_is_told_with_its_cause_and_since_when() -> None:
    [alarm] = look(make_state(make_bad(since_at=NOW - 900), make_member("n2"))).alarms.values()
    assert alarm == Alarm(Topic.NODES, "connect", NOW - 900, "n1", "", "connection refused")


def test_a_node_that_needs_a_person_says_so() -> None:
    [alarm] = look(make_state(make_bad(stuck_since_at=NOW - 5, fail_streak=0, ok_streak=3))).alarms.values()
    assert (alarm.what, alarm.detail) == (STUCK, "")


def test_these_are_not_told() -> None:
    suspicion = Suspicion("good", NOW - 900, 5, NOW - 60)
    hold = Hold("ada", "new disk", NOW - 60)
    quiet = {
        "never good": make_bad(penalty_at=0.0, penalty=0.0),
        "held": make_bad(hold=hold),
        "moved by a person": make_bad(hold=replace(hold, is_move=True)),
        "absent": make_bad(absent_since_at=NOW - 60),
        "suspect": make_bad(suspicion=suspicion),
        "guarded": make_member(fail_streak=1, last=FAILED, suspicion=suspicion, interval_s=300.0, penalty_at=1.0),
        "on its way back": make_bad(fail_streak=0, ok_streak=1),
    }
    assert [why for why, member in quiet.items() if list_keys(member)] == []
    assert list_keys(make_bad(hold=replace(hold, until_at=NOW - 1))) == ["node n1"], "that hold is over"
    assert list_keys(make_bad(penalty_at=0.0, good_ratio=0.5)) == ["node n1"]


def test_only_nodes_with_the_labels_are_looked_at() -> None:
    state = make_state(make_bad("n1"), make_bad("n2"), make_bad("n3"))
    sites = {"n1": "north", "n2": "south", "n3": "north"}
    state.apply(Changes(nodes=tuple(Node(name, {"site": site, "role": "web,db"}) for name, site in sites.items())))
    assert list(look(state, Scope(ALL.topics, ["site=north", "role=db"])).alarms) == ["node n1", "node n3"]
    assert not look(state, Scope(ALL.topics, ["site=north", "role=x"])).alarms
    both = look(state, Scope(ALL.topics, ["site=north", "site=south"]))
    assert (len(both.alarms), both.usable_count, both.node_count) == (3, 0, 3)
    assert {alarm.site for alarm in both.alarms.values()} == {"north", "south"}


def test_a_pool_with_too_few_usable_nodes_is_told() -> None:
    scope = Scope({Topic.POOLS}, minimum={"good": 2})
    state = make_state(make_member("n1", ok_streak=1), make_bad("n2"))
    [alarm] = look(state, scope).alarms.values()
    assert alarm == Alarm(Topic.POOLS, "good", NOW, detail="1 usable, at least 2 wanted")
    assert not look(state, Scope({Topic.POOLS}, minimum={"good": 1})).alarms
    untested = make_member("n3", "bad")
    assert not look(make_state(make_member("n1", ok_streak=1), untested), scope).alarms, "nobody knows yet"


def test_a_pool_is_not_told_for_a_suspect_before_its_retest() -> None:
    scope = Scope({Topic.POOLS}, minimum={"good": 2})
    good, suspicion = make_member("n1", ok_streak=1), Suspicion("good", NOW - 900, 5, NOW - 60)
    quiet = {
        "suspect": make_bad(suspicion=suspicion),
        "tested quickly while in good": make_member("n2", fail_streak=1, last=FAILED, suspicion=suspicion),
    }
    for why, member in quiet.items():
        assert not look(make_state(good, replace(member, node="n2")), scope).alarms, why
    told = look(make_state(good), scope).alarms
    memory = {key: Told(alarm, NOW) for key, alarm in told.items()}
    suspect = make_bad("n2", suspicion=suspicion)
    assert look(make_state(good, suspect), scope, memory).alarms, "it is not over before the retest passes"
    short = {
        "guarded": make_member("n2", fail_streak=1, last=FAILED, suspicion=suspicion, interval_s=300.0),
        "held": replace(suspect, hold=Hold("ada", "", NOW - 60)),
        "absent": replace(suspect, absent_since_at=NOW - 60),
        "retested without result": replace(suspect, suspicion=replace(suspicion, failed_at=NOW - 900)),
        "of another pool": replace(suspect, suspicion=replace(suspicion, pool="spare")),
    }
    assert [why for why, member in short.items() if not look(make_state(good, member), scope).alarms] == []


def test_guards_and_faults_are_told() -> None:
    guard = Guard({"site north": GuardedScope("site north", NOW - 60, "8 of 10 failed")})
    faults = {
        "inventory racks": ToldFault("inventory", "inventory: racks cannot be read", NOW - 30, "racks"),
        "lock": ToldFault("lock", "a process keeps the lock", NOW - 30, seen_at=NOW - 30),
        "sink notices to 'a'": ToldFault("sink", "it fails", NOW - 30, "notices to 'a'"),
        "sink notices to 'b'": ToldFault("sink", "it fails", NOW - 30, "notices to 'b'"),
    }
    state = MemoryState(Changes(notes=GUARD_NOTE.write(guard) | FAULTS_NOTE.write(faults)))
    found = look(state, Scope(ALL.topics, own_name="notices to 'a'")).alarms
    assert list(found) == ["guard site north", "fault inventory racks", "fault sink notices to 'b'"]
    assert found["guard site north"] == Alarm(Topic.GUARD, "site north", NOW - 60, detail="8 of 10 failed")
    assert found["fault inventory racks"].detail == "inventory: racks cannot be read"


def test_what_became_of_what_was_told() -> None:
    def tell(node: str) -> Told:
        return Told(Alarm(Topic.NODES, "connect", NOW - 900, node), NOW - 800)

    memory = {f"node {node}": tell(node) for node in ("n1", "n2", "n3", "n4", "gone")}
    memory["pool old"] = Told(Alarm(Topic.POOLS, "old", NOW - 900), NOW - 800)
    memory["guard monitor"] = Told(Alarm(Topic.GUARD, "monitor", NOW - 900), NOW - 800)
    back = make_member("n2", since_at=NOW - 100, ok_streak=1)
    state = make_state(make_bad("n1"), back, make_bad("n3", hold=Hold("ada", "", NOW)), make_bad("n4"))
    nodes = [Node(name, {"site": "north"}) for name in ("n1", "n2", "n3")]
    state.apply(Changes(nodes=tuple(nodes)))
    found = look(state, Scope(ALL.topics, ["site=north"]), memory)
    assert list(found.alarms) == ["node n1"]
    assert found.ends == {"node n2": NOW - 100}
    assert found.pending == {"node n3"}
    assert found.ignored == {"node n4", "pool old"}
    assert found.lost == {"node gone"}
    assert look(state, Scope({Topic.NODES}), memory).ignored == {"pool old", "guard monitor"}
