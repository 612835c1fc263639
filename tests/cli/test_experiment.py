"""Experiments from the command line: swapped in and out, waited for, looked at, and refused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.console import Desk, Said
from tests.cli.test_terminal import terminal

SUBSTRATE = """
[recipe.place]
transport = "local"
setup = { run = "test ! -e {node}.bad || { echo 'disk is [/x] full'; exit 2; }; mkdir {vnode}", timeout = "10s" }
check = { run = "test -d {vnode} || exit 2", timeout = "5s" }
teardown = { run = "test ! -e {node}.stuck || { echo stuck; exit 2; }; rm -rf {vnode}", timeout = "5s" }

[recipe.bare]
transport = "local"
setup = { run = "true", timeout = "5s" }

[experiment]
recipe = "place"
retry = { kind = "fixed", base = "200ms", jitter = "0s" }
"""


@pytest.fixture(scope="module")
def refusing(find_ticked: Callable[[], Desk], tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that no refused order changes, so that one does for all."""
    folder = tmp_path_factory.mktemp("refusing") / "desk"
    shutil.copytree(find_ticked().folder, folder)
    desk = Desk(folder)
    desk.config.write_text(desk.config.read_text() + SUBSTRATE)
    desk.ok("node", "add", "pc3", "--set", "site=south")
    desk.ok("tick")
    return desk


@pytest.fixture
def site(refusing: Desk, tmp_path: Path) -> Desk:
    """A desk whose vnodes are directories: pc1 and pc3 are good, pc2 is bad, and nothing comes up there."""
    shutil.copytree(refusing.folder, tmp_path, dirs_exist_ok=True)
    desk = Desk(tmp_path)
    shutil.copy(refusing.config, desk.config)
    return desk


def exp(desk: Desk, *words: str, stdin: str | None = None) -> Said:
    return desk.run("experiment", *words, stdin=stdin)


def standing(desk: Desk) -> list[Path]:
    return sorted(desk.folder.glob("plabctl-*"))


def states(desk: Desk, name: str = "web") -> dict[str, str]:
    document = json.loads(desk.ok("experiment", "show", name, "-o", "json"))
    return {row["node"]: row["state"] for row in document["vnodes"]}


def test_an_order_says_what_it_did_and_how_to_undo_it(site: Desk) -> None:
    said = exp(site, "swapin", "web", "--nodes", "pc1,pc3")

    assert said.code == 0
    assert said.out == "web: 2 vnodes to set up by recipe place, wanted on 2 nodes\n"
    assert said.err == "set a vnode up on each of 2 nodes (pc[1,3])\nundo: plabctl experiment swapout web\n"
    assert states(site) == {"pc1": "pending", "pc3": "pending"}


def test_the_ticks_set_up_and_tear_down(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1,pc3")
    site.ok("tick")
    assert states(site) == {"pc1": "up", "pc3": "up"}
    assert len(standing(site)) == 2

    said = exp(site, "swapout", "web")
    assert said.out == "web: leaving, 2 vnodes to tear down\n"
    assert said.err == "undo, once it is gone: plabctl experiment swapin web --nodes pc1,pc3 --recipe place\n"
    site.ok("tick")
    assert standing(site) == []
    assert site.ok("experiment", "list", "-o", "name") == ""


def test_waiting_exits_with_0_when_all_are_up_and_gone(site: Desk) -> None:
    up = exp(site, "swapin", "web", "--count", "2", "--spread", "site", "--wait", "-o", "table")
    assert (up.code, len(standing(site))) == (0, 2), up

    gone = exp(site, "swapout", "web", "--wait", "-o", "json")
    assert gone.code == 0, gone
    assert json.loads(gone.out)["experiment"] == {"name": "web", "state": "gone"}
    assert standing(site) == []


@pytest.mark.parametrize("more", [[], ["--timeout", "6s"]], ids=["each tried once", "until the time is over"])
def test_waiting_exits_with_1_and_lists_those_that_are_not_up(site: Desk, more: list[str]) -> None:
    said = exp(site, "swapin", "web", "--nodes", "pc1,pc2", "--wait", *more)

    assert said.code == 1
    (line,) = said.out.splitlines()
    assert line.split("\t")[:3] == ["web", "pc2", "failed"]
    assert "disk is [/x] full" in line
    assert states(site)["pc1"] == "up"


def test_names_of_those_that_are_not_up_are_for_xargs(site: Desk) -> None:
    assert exp(site, "swapin", "web", "--nodes", "pc1,pc2", "--wait", "-o", "name").out == "pc2\n"


def test_json_of_a_swap_in_is_the_whole_experiment(site: Desk) -> None:
    document = json.loads(exp(site, "swapin", "web", "--nodes", "pc1,pc2", "--wait", "-o", "json").out)

    assert document["experiment"]["state"] == "incomplete"
    assert (document["experiment"]["up_count"], document["experiment"]["wanted_count"]) == (1, 2)
    assert {row["node"]: row["state"] for row in document["vnodes"]} == {"pc1": "up", "pc2": "failed"}


def test_json_lines_tell_how_a_swap_in_goes(site: Desk) -> None:
    said = exp(site, "swapin", "web", "--nodes", "pc1,pc3", "--wait", "-o", "jsonl")
    counts = [json.loads(line)["up_count"] for line in said.out.splitlines()]

    assert counts[0] == 0
    assert counts[-1] == 2
    assert counts == sorted(counts)


def test_what_cannot_be_torn_down_is_listed_and_kept(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1,pc3", "--wait")
    (site.folder / "pc3.stuck").touch()
    said = exp(site, "swapout", "web", "--wait")

    assert said.code == 1
    (line,) = said.out.splitlines()
    assert line.split("\t")[:3] == ["web", "pc3", "leaving"]
    (site.folder / "pc3.stuck").unlink()
    assert states(site) == {"pc3": "leaving"}


def test_force_says_what_may_be_left_where(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1", "--wait")
    (vnode,) = standing(site)
    said = exp(site, "swapout", "web", "--force")

    assert said.out == f"web: forgotten\npc1: vnode {vnode.name} may be left there\n"
    assert said.err.startswith("undo: plabctl experiment swapin web ")
    assert exp(site, "show", "web").code == 1


def test_the_undo_of_a_swap_out_wishes_for_the_same(site: Desk) -> None:
    import shlex

    words = ["--all-nodes", "--match=site=no rth", "--recipe", "place", "--hook", "logger -t 'a b'"]
    exp(site, "swapin", "web", *words)
    undo = exp(site, "swapout", "web").err.partition(": plabctl ")[2]

    assert shlex.split(undo) == ["experiment", "swapin", "web", *words]


REFUSED = {
    "nothing said": (["swapin", "web"], 2, "the nodes are not specified"),
    "two ways": (["swapin", "web", "--nodes", "pc1", "--count", "1"], 2, "--nodes and --count exclude"),
    "three ways": (["swapin", "web", "--nodes", "pc1", "--count", "1", "--all-nodes"], 2, "exclude each other"),
    "no node": (["swapin", "web", "--nodes", ""], 1, "no node is named"),
    "count 0": (["swapin", "web", "--count", "0"], 2, "'--count'"),
    "count -1": (["swapin", "web", "--count", "-1"], 2, "'--count'"),
    "count of words": (["swapin", "web", "--count", "all"], 2, "'--count'"),
    "too many": (["swapin", "web", "--count", "3"], 1, "3 usable nodes are wanted and there are 2"),
    "spread of nodes": (["swapin", "web", "--nodes", "pc1", "--spread", "site"], 2, "--spread"),
    "spread over nothing": (["swapin", "web", "--count", "1", "--spread", "a b"], 2, "label"),
    "at most of nodes": (["swapin", "web", "--nodes", "pc1", "--at-most"], 2, "--at-most"),
    "match of nodes": (["swapin", "web", "--nodes", "pc1", "--match", "a=b"], 2, "--match"),
    "match without value": (["swapin", "web", "--all-nodes", "--match", "site"], 2, "LABEL=VALUE"),
    "match without label": (["swapin", "web", "--all-nodes", "--match", "=x"], 2, "LABEL=VALUE"),
    "match twice": (["swapin", "web", "--all-nodes", "--match", "a=b", "--match", "a=c"], 2, "given twice"),
    "bad label": (["swapin", "web", "--all-nodes", "--match", "$x=b"], 2, "label"),
    "unknown node": (["swapin", "web", "--nodes", "pc9"], 1, "no node is named 'pc9'"),
    "unknown pool": (["swapin", "web", "--nodes", "@goood"], 1, "no pool is named 'goood'"),
    "unknown recipe": (["swapin", "web", "--nodes", "pc1", "--recipe", "plaec"], 1, "no recipe is named 'plaec'"),
    "no teardown": (["swapin", "web", "--nodes", "pc1", "--recipe", "bare"], 1, "has no teardown"),
    "hook": (["swapin", "web", "--nodes", "pc1", "--hook", "logger 'x"], 2, "is not a command line"),
    "time-out alone": (["swapin", "web", "--nodes", "pc1", "--timeout", "5s"], 2, "--wait"),
    "time-out of words": (["swapin", "web", "--nodes", "pc1", "--wait", "--timeout", "soon"], 2, "is not a duration"),
    "time-out without unit": (["swapin", "web", "--nodes", "pc1", "--wait", "--timeout", "5"], 2, "is not a duration"),
    "time-out below 0": (["swapin", "web", "--nodes", "pc1", "--wait", "--timeout", "-5s"], 2, "is not a duration"),
    "a glob, nobody to ask": (["swapin", "web", "--nodes", "pc*"], 2, "--yes"),
    "name of a pool": (["swapin", "good", "--nodes", "pc1"], 1, "is the name of a pool"),
    "name with a dash": (["swapin", "-web", "--nodes", "pc1"], 2, ""),
    "name behind dashes": (["swapin", "--nodes", "pc1", "--", "-web"], 2, "is not a valid name for an experiment"),
    "name for a shell": (["swapin", "$(reboot)", "--nodes", "pc1"], 2, "is not a valid name for an experiment"),
    "name of 300": (["swapin", "x" * 300, "--nodes", "pc1"], 2, "is not a valid name for an experiment"),
    "name with a control": (["swapin", "a\x1b[31m", "--nodes", "pc1"], 2, r"\x1b"),
    "name with a line": (["swapin", "a\nb", "--nodes", "pc1"], 2, r"a\nb"),
    "no name": (["swapin", "", "--nodes", "pc1"], 2, "is not a valid name for an experiment"),
    "unknown, out": (["swapout", "wbe"], 1, "no experiment is named 'wbe'"),
    "unknown, forced": (["swapout", "wbe", "--force"], 1, "no experiment is named 'wbe'"),
    "unknown, shown": (["show", "we\x1bb"], 1, r"no experiment is named 'we\x1bb'"),
    "force and wait": (["swapout", "wbe", "--force", "--wait"], 2, "exclude each other"),
    "reason": (["swapin", "web", "--nodes", "pc1", "--reason", "a\nb"], 2, "one line"),
}


@pytest.mark.parametrize(("words", "code", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_or_had_is_refused_in_a_line(
    refusing: Desk, words: list[str], code: int, why: str
) -> None:
    said = exp(refusing, *words)

    assert (said.code, said.out) == (code, "")
    assert why in said.err
    first, *rest = said.err.splitlines()
    assert first.startswith("plabctl: ")
    assert all(line.startswith("  hint: ") for line in rest)
    assert max(map(len, said.err.splitlines())) < 200
    assert "\x1b" not in said.err
    assert refusing.ok("experiment", "list", "-o", "name") == ""


def test_a_held_node_is_refused(site: Desk) -> None:
    site.ok("hold", "pc1", "--reason", "disk")
    said = exp(site, "swapin", "web", "--nodes", "pc1,pc3")

    assert said.code == 1
    assert "'pc1' is held by" in said.err
    assert site.ok("experiment", "list") == ""


def test_a_name_is_taken_until_the_experiment_is_gone(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1", "--wait")
    again = exp(site, "swapin", "web", "--nodes", "pc3")
    assert (again.code, "exists already" in again.err) == (1, True)

    exp(site, "swapout", "web")
    meanwhile, twice = exp(site, "swapin", "web", "--nodes", "pc1"), exp(site, "swapout", "web")
    assert (meanwhile.code, "still being swapped out" in meanwhile.err) == (1, True)
    assert (twice.code, "being swapped out already: 1 vnode left" in twice.err) == (1, True)


def test_a_name_that_is_nearly_right_is_named(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1")

    assert "the nearest name is 'web'" in exp(site, "show", "wbe").err


def test_a_hook_that_cannot_run_is_a_warning_and_no_verdict(site: Desk) -> None:
    up = exp(site, "swapin", "web", "--nodes", "pc1", "--hook", "no-such-program", "--wait", "-o", "json")
    gone = exp(site, "swapout", "web", "--wait", "-o", "json")

    assert (up.code, json.loads(up.out)["experiment"]["state"]) == (0, "ready")
    assert (gone.code, json.loads(gone.out)["experiment"]["state"]) == (0, "gone")
    assert "no-such-program" in up.err + gone.err


def test_few_nodes_will_do_with_at_most(site: Desk) -> None:
    said = exp(site, "swapin", "web", "--count", "5", "--at-most", "--wait")

    assert (said.code, len(standing(site))) == (0, 2), said


def test_swapped_out_while_somebody_waits_for_it_to_come_up(site: Desk) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1,pc2")
    with site.running("experiment", "swapin", "other", "--nodes", "pc2", "--wait", "--timeout", "50s") as waiting:
        while "other" not in site.ok("experiment", "list", "-o", "name"):
            assert waiting.poll() is None
        site.ok("experiment", "swapout", "other")
        _, err = waiting.communicate(timeout=60)

    assert waiting.returncode == 1
    assert "swapped out meanwhile" in err


@pytest.mark.parametrize("form", ["table", "wide", "tsv", "json", "jsonl", "csv", "name"])
def test_an_experiment_is_shown_in_every_form(site: Desk, form: str) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1,pc2", "--wait")
    out = site.ok("experiment", "show", "web", "-o", form)

    assert "\x1b" not in out
    assert out.count("pc1") >= 1
    if form not in {"table", "wide"}:
        assert len(out.splitlines()) == {"json": 1, "csv": 3}.get(form, 2)


@pytest.fixture
def slow(site: Desk) -> Desk:
    """A site where a set-up takes a second, one after the other."""
    text = (
        site.config.read_text().replace("mkdir {vnode}", "sleep 1; mkdir {vnode}").replace("window = 4", "window = 1")
    )
    site.config.write_text(text)
    return site


@pytest.mark.parametrize("width", [40, 80])
def test_a_terminal_shows_a_bar_that_goes_when_all_are_up(slow: Desk, width: int) -> None:
    with terminal(slow, "experiment", "swapin", "web", "--nodes", "pc1,pc3", "--wait", width=width) as seen:
        seen.wait_for("1 of 2 up")
        assert any("━" in line for line in seen.screen.display)
        assert seen.end() == 0
        lines = [line.rstrip() for line in seen.screen.display]

    assert "web: 2 of 2 up" in lines
    assert not any("━" in line for line in lines)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_bar_has_no_colour_that_nobody_wants(slow: Desk, environ: dict[str, str]) -> None:
    words = ("experiment", "swapin", "web", "--nodes", "pc1", "--wait")
    with terminal(slow, *words, environ=environ) as seen:
        assert seen.end() == 0

    assert not re.search(rb"\x1b\[[0-9;]*[1-9][0-9;]*m", seen.raw)


def test_whoever_leaves_a_wait_is_told_that_it_goes_on(slow: Desk) -> None:
    with terminal(slow, "experiment", "swapin", "web", "--nodes", "pc1,pc3", "--wait") as seen:
        seen.wait_for("0 of 2 up")
        seen.type("\x03")
        assert seen.end() == 130
        text = " ".join(seen.screen.display)

    assert "interrupted; ticks continue with it" in text
    assert "Traceback" not in text
    slow.ok("tick")
    assert set(states(slow).values()) == {"up"}


@pytest.mark.parametrize("words", [["list"], ["show", "web"]], ids=" ".join)
@pytest.mark.parametrize("width", [30, 80])
def test_a_table_fits_a_terminal(site: Desk, words: list[str], width: int) -> None:
    exp(site, "swapin", "web", "--nodes", "pc1,pc2", "--wait")
    with terminal(site, "experiment", *words, width=width) as seen:
        assert seen.end() == 0
        table = [line for line in seen.screen.display[:3] if line.strip()]

    assert table[0].startswith("STATE")
    assert len(table[0].rstrip()) <= width
