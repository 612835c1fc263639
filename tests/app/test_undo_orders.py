"""What undoes an order: typed in, it makes every node what it was, wherever it was and whatever kept it there."""

import shlex

import pytest

from plabctl.app.undo_orders import list_undo_commands
from plabctl.core import node_orders
from plabctl.core.model import Hold, Member
from plabctl.core.state import Changes
from plabctl.errors import Refused
from plabctl.instants import parse_instant
from tests.builders import NOW, make_member, make_order, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings()
HOLD, MOVE = Hold("bob", "it's being debugged", NOW - 60), Hold("bob", "fan", NOW - 60, None, is_move=True)
TIMED_HOLD, TIMED_MOVE = (Hold(pin.actor, pin.reason, pin.since_at, NOW + 14400.0, pin.is_move) for pin in (HOLD, MOVE))
PLACES = [
    *(make_member("n1", "good", hold=pin) for pin in (None, HOLD, TIMED_HOLD, TIMED_MOVE)),
    *(make_member("n1", "bad", hold=pin) for pin in (None, HOLD, TIMED_HOLD, MOVE, TIMED_MOVE)),
]
ORDERS = [
    f"move n1 {pool}{more} --reason mine"
    for pool in ("good", "bad")
    for more in ("", " --once", " --for 1h", " --for 9d")
] + ["hold n1 --reason mine", "hold n1 --for 1h --reason mine", "hold n1 --for 9d --reason mine", "release n1"]


def type_in(state: MemoryState, line: str) -> Changes:
    """Do what a command line orders; only the forms that an undo has are understood."""
    what, *words = shlex.split(line.removeprefix("plabctl "))
    options = {words[at]: words[at + 1] for at, word in enumerate(words[:-1]) if word in {"--for", "--reason"}}
    is_once = "--once" in words
    names = [word for word in words if word in state.names()]
    until_at = parse_instant(options["--for"], NOW, ahead=True) if "--for" in options else None
    order = make_order(reason=options.get("--reason", ""))
    match what:
        case "move":
            pool = words[len(names)]
            changes = node_orders.move(state, SETTINGS, names, pool, order, until_at, is_once=is_once)
        case "hold":
            changes = node_orders.hold(state, SETTINGS, names, order, until_at)
        case _:
            changes = node_orders.release(state, names, order)
    state.apply(changes)
    return changes


def place(state: MemoryState, name: str = "n1") -> tuple[object, ...]:
    member = state.member(name)
    assert member is not None
    pin = member.hold if member.is_held(NOW) else None
    return member.pool, pin and (pin.reason, pin.until_at, pin.is_move)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("member", PLACES, ids=lambda member: f"{member.pool}, {member.hold}")
def test_an_order_is_undone_by_what_it_says(member: Member, order: str) -> None:
    state, before = make_state(member), make_state(member)
    try:
        changes = type_in(state, order)
    except Refused:
        assert place(state) == place(before)
        return

    for line in list_undo_commands(before, SETTINGS, changes.members, NOW):
        type_in(state, line)

    assert place(state) == place(before)


def test_nodes_that_were_alike_are_undone_together() -> None:
    members = [make_member(f"n{number}", pool) for number, pool in enumerate(["good", "bad", "good"])]
    before = make_state(*members)
    changes = node_orders.move(before, SETTINGS, ["n0", "n1", "n2"], "bad", make_order(), None)

    assert list_undo_commands(before, SETTINGS, changes.members, NOW) == [
        "plabctl release n1",
        "plabctl move n0 n2 good --reason undo",
    ]


def test_a_suspect_that_is_moved_belonged_to_the_pool_it_left() -> None:
    from plabctl.core.suspicion import Suspicion

    suspect = make_member("n1", "bad", suspicion=Suspicion("good", NOW - 900.0, 4, NOW - 60.0))
    before = make_state(suspect)
    changes = node_orders.move(before, SETTINGS, ["n1"], "bad", make_order(), None)

    assert list_undo_commands(before, SETTINGS, changes.members, NOW) == ["plabctl move n1 good --reason undo"]
