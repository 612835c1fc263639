"""`check` tells the truth: it is not OK while plabctl cannot do its work, and says why."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from plabctl.app.context import open_app
from plabctl.core.state import Changes
from tests.cli.console import CONFIG, Desk, Said

HOURS_S = 7200.0


def lose_a_pool(desk: Desk) -> None:
    desk.config.write_text(CONFIG.replace("[pool.good]", "[pool.free]").replace('on_pass = "good"', 'on_pass = "free"'))
    desk.ok("retest", "pc2", "-q")


def lose_the_key(desk: Desk) -> None:
    desk.config.write_text(CONFIG.replace('transport = "local"', ""))
    desk.ok("retest", "pc1", "-q")


def damage_the_history(desk: Desk) -> None:
    (desk.folder / "state/history.db").write_bytes(b"no database " * 500)
    desk.run("retest", "pc1", "-q")


def fail_in_a_hook(desk: Desk) -> None:
    desk.config.write_text(CONFIG + '[[hook]]\non = ["transition"]\ncommand = ["false"]\n')
    desk.ok("move", "pc1", "bad", "--reason", "x", "--once", "-q")


def lose_an_inventory(desk: Desk) -> None:
    desk.config.write_text(CONFIG + '[[inventory]]\nkind = "file"\npath = "nodes"\n')


def list_a_bad_row(desk: Desk) -> None:
    (desk.folder / "nodes").write_text("pc1\npc2\npc 3!\n")
    desk.config.write_text(CONFIG + '[[inventory]]\nkind = "file"\npath = "nodes"\nevery = "0"\n')


def have_no_opinion(desk: Desk) -> None:
    desk.config.write_text(CONFIG.replace("exit 2", "true; exit 3").replace("test ! -e {node}.bad ||", ""))
    desk.ok("retest", "pc1,pc2", "-q")


def break_every_node(desk: Desk) -> None:
    desk.break_node("pc1")
    desk.ok("retest", "pc1", "-q")


def remove_every_node(desk: Desk) -> None:
    desk.ok("node", "rm", "pc1", "pc2", "--yes", "-q")


def be_overloaded(desk: Desk) -> None:
    """Nodes are due for hours, and none was tested."""
    desk.config.write_text("max_load = 0.000001\n" + CONFIG)
    app = open_app(str(desk.config))
    with app.store.session() as state:
        now = app.clock.now()
        members = [
            replace(each, due_at=now - HOURS_S, last=each.last and replace(each.last, at=now - HOURS_S))
            for each in state.members()
        ]
        state.apply(Changes(members=tuple(members)))


FAULTS: list[tuple[Callable[[Desk], None], int, int, str]] = [
    (lose_a_pool, 78, 2, "plabctl.toml: pool.good: missing, but 1 nodes are in it"),
    (lose_the_key, 78, 2, "ticks fail: ssh.key: "),
    (damage_the_history, 74, 2, "ticks fail: "),
    (fail_in_a_hook, 1, 1, "'false'"),
    (lose_an_inventory, 1, 1, "inventory: "),
    (list_a_bad_row, 1, 1, "inventory: "),
    (have_no_opinion, 0, 1, "nothing is learned about pool 'bad' (1 node tried), all tests are unknown: "),
    (break_every_node, 0, 2, "no node is usable: 2 bad"),
    (remove_every_node, 0, 2, "there are no nodes"),
    (be_overloaded, 0, 2, "2 nodes have been due for up to 2h and nothing is tested"),
]


@pytest.mark.parametrize(
    ("break_it", "tick_code", "code", "said"), FAULTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_check_is_not_ok_and_says_why(
    used_desk: Desk, break_it: Callable[[Desk], None], tick_code: int, code: int, said: str
) -> None:
    break_it(used_desk)

    assert used_desk.run("tick").code == tick_code

    health = used_desk.run("check")
    assert health.code == code
    assert health.out.startswith(f"PLABCTL {'WARNING' if code == 1 else 'CRITICAL'} - ")
    assert said in health.out
    problems = json.loads(used_desk.ok("status", "-o", "json"))["problems"]
    assert said in problems[0]["reason"], "the same words, the gravest first"
    assert problems[0]["reason"] in health.out
    if break_it is not damage_the_history:
        told = json.loads(used_desk.ok("history", "-k", "fault", "-o", "json"))["events"]
        assert any(said in event["reason"] for event in told)
        assert sorted((event["problem"], event.get("subject", "")) for event in told) == sorted(
            (problem["kind"], problem.get("subject", "")) for problem in problems
        ), "one problem is one event"
    doctor = used_desk.run("doctor").out
    cause = problems[0]["reason"].partition(" (")[0].removeprefix("ticks fail: ").removeprefix("ssh.key: ")
    assert doctor.count(cause) == 1, "one cause is one line"
    if break_it is not remove_every_node:
        assert used_desk.ok("status", "-o", "table").startswith(f"! {problems[0]['reason']}")


@pytest.mark.parametrize("break_it", [lose_a_pool, lose_the_key, lose_an_inventory], ids=lambda each: each.__name__)
def test_check_is_ok_again_when_it_is_mended(used_desk: Desk, break_it: Callable[[Desk], None]) -> None:
    break_it(used_desk)
    assert used_desk.run("tick").code
    assert used_desk.run("check").code

    used_desk.config.write_text(CONFIG)
    used_desk.run("tick")

    assert used_desk.ok("check").startswith("PLABCTL OK - ")


def test_a_configuration_that_cannot_be_used_is_critical(used_desk: Desk) -> None:
    used_desk.config.write_text(f"{CONFIG}\nwidnow = 3\n")

    said = used_desk.run("check")

    assert said.code == 2
    assert said.out.startswith("PLABCTL CRITICAL - ticks fail: plabctl.toml: recipe.process.widnow: ")


def test_an_inventory_that_stays_unreadable_is_mailed_once(used_desk: Desk) -> None:
    used_desk.config.write_text(f'{CONFIG}[[inventory]]\nkind = "file"\npath = "nodes"\nevery = "1h"\n')
    first = used_desk.run("tick")
    assert "cannot be read" in first.err or "no such file" in first.err

    later = [used_desk.run("tick") for _ in range(3)]

    assert [said.err for said in later] == ["", "", ""], "it is not read in between, and not well again"
    (used_desk.folder / "nodes").write_text("pc1\npc2\n")
    used_desk.ok("inventory", "sync")
    over = used_desk.run("tick")
    assert "all is well again" in over.err


def test_a_tick_at_a_terminal_says_its_error_each_time(used_desk: Desk) -> None:
    lose_a_pool(used_desk)

    said: list[Said] = [used_desk.run("tick") for _ in range(2)]

    assert [bool(each.err) for each in said] == [True, False], "without one it is said once"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["-w", "0"], 1, "PLABCTL WARNING - 1 of 2 nodes are bad (pc2); 2 nodes: 1 good, 1 bad; last tick "),
        (["-w", "1", "-c", "50%"], 0, "PLABCTL OK - 2 nodes: 1 good, 1 bad; last tick "),
        (["-c", "49%"], 2, "PLABCTL CRITICAL - 1 of 2 nodes are bad (pc2); "),
        (["-c", "2:"], 2, "PLABCTL CRITICAL - 1 of 2 nodes are bad (pc2); "),
        (["--warn-unusable", "@1:1"], 1, "PLABCTL WARNING - 1 of 2 nodes are not usable (pc2); "),
        (["--warn-bad", "0", "--crit-bad", "2"], 1, "PLABCTL WARNING - 1 of 2 nodes are bad (pc2); "),
        (["-w", "plabctl.toml"], 3, "PLABCTL UNKNOWN - "),
        (["-w", "3", "--warn-bad", "3"], 3, "PLABCTL UNKNOWN - --warning and --warn-bad cannot be used together"),
    ],
)
def test_limits_are_ranges_of_plug_ins(used_desk: Desk, options: list[str], code: int, said: str) -> None:
    found = used_desk.run("check", *options)

    assert (found.code, found.out[: len(said)]) == (code, said)
    assert found.out.count("\n") == 1
