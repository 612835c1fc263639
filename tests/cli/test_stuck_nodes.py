"""A node that failed too often needs a person: it is told once, stands first everywhere, and a release lets it go."""

import json

from tests.cli.console import Desk


def make_stuck(desk: Desk, *names: str) -> None:
    """Let the nodes fail and return until they are stuck, although they work again at the end; pc3 works all along."""
    desk.config.write_text(f'{desk.config.read_text()}\n[flap]\nhalf_life = "100ms"\napart = "0s"\nstrikes = 1\n')
    for name in names:
        (desk.folder / f"{name}.bad").unlink(missing_ok=True)
    desk.ok("node", "add", "pc3")
    desk.ok("tick", *names, "pc3")
    for _ in range(2):
        for name in names:
            desk.break_node(name)
        for _ in range(2):
            desk.ok("tick", *names)
        for name in names:
            (desk.folder / f"{name}.bad").unlink()
        desk.ok("tick", *names)


def test_a_stuck_node_is_told_everywhere_until_it_is_released(used_desk: Desk) -> None:
    desk = used_desk
    make_stuck(desk, "pc1")
    desk.ok("tick", "pc1")

    status = json.loads(desk.ok("status", "-o", "json"))
    row = next(row for row in status["nodes"] if row["name"] == "pc1")
    assert (row["pool"], row["usable"], row["last"]["outcome"]) == ("bad", False, "pass")
    assert (row["why_not"], "passes_needed" in row) == (
        "needs a person: it failed too often to return by itself",
        False,
    )
    (problem,) = [each for each in status["problems"] if each["kind"] == "stuck"]
    assert (problem["severity"], problem["reason"]) == (
        "warning", "pc1 needs a person: it failed too often to return by itself"
    )  # fmt: skip
    lines = desk.ok("status", "-o", "table").splitlines()
    assert lines[0] == f"! {problem['reason']}"
    assert "pc1" in lines[3], "first in the table"
    assert "needs a person since" in lines[3]
    assert "2 bad (1 needs a person)" in lines[-1]
    assert desk.ok("status", "@stuck", "-o", "name") == "pc1\n"
    assert "needs a person" in desk.ok("status", "--by", "reason")
    assert desk.run("check").out.startswith("PLABCTL WARNING - pc1 needs a person")
    for command in ("show", "explain"):
        page = desk.ok(command, "pc1")
        assert "its failures were confirmed 2 times within 7d, so it does not return by itself" in page
        assert "plabctl release pc1" in page
        assert "no pass moves it before a person releases it" in page
        assert json.loads(desk.ok(command, "pc1", "-o", "json"))["stuck_since_at"] == row["stuck_since_at"]
    told = [json.loads(line) for line in desk.ok("history", "pc1", "-o", "jsonl").splitlines()]
    (event,) = [each for each in told if each["kind"] == "stuck"]
    assert (event["strikes"], event["at"]) == (2, row["stuck_since_at"])
    assert not [each for each in json.loads(desk.ok("history", "-o", "json"))["events"] if each["kind"] == "fault"]

    assert desk.ok("release", "pc1") == "pc1: needs a person -> released, due now\n"
    desk.ok("tick", "pc1")
    after = json.loads(desk.ok("status", "pc1", "-o", "json"))
    assert after["nodes"][0]["usable"]
    assert "problems" not in after
    assert desk.run("status", "@stuck").code == 1


def test_several_stuck_nodes_are_named_and_released_together(used_desk: Desk) -> None:
    make_stuck(used_desk, "pc1", "pc2")

    (problem,) = json.loads(used_desk.ok("status", "-o", "json"))["problems"]
    assert problem["reason"] == "2 nodes need a person, they failed too often to return: pc1, pc2"
    assert problem["remedy"] == "see why: plabctl explain pc1; when mended: plabctl release @stuck"
    assert used_desk.run("release", "@stuck", "--yes").code == 0
