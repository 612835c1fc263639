"""`plabctl simulate` as it is typed."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.console import Desk

SMALL = ("simulate", "--nodes", "5", "--days", "3")


def test_it_compares_all_policies_on_a_made_up_testbed(desk: Desk) -> None:
    out = desk.ok("simulate", "--nodes", "3", "--days", "2", "-o", "table")

    for name in ("additive", "age", "adaptive", "2007", "fixed", "exponential", "quadratic"):
        assert f"\n{name} " in out
    assert "made up by pl05: 3 nodes, 2.0 days" in out


def test_the_same_seed_prints_the_same(desk: Desk) -> None:
    first, again, other = (desk.ok(*SMALL, "-o", "json", "--seed", seed) for seed in ("1", "1", "2"))

    assert first == again != other


def test_json_says_what_was_simulated_and_what_came_of_it(desk: Desk) -> None:
    document = json.loads(desk.ok(*SMALL, "-p", "age", "--window", "2", "--false-failures", "0.01", "-o", "json"))
    (row,) = document["policies"]

    assert document["schema_version"] == 1
    assert (document["window"], document["false_ratio"], document["nodes_count"], document["days"]) == (2, 0.01, 5, 3.0)
    assert row["policy"] == "age"
    assert row["harm_ratio"] == pytest.approx(row["broken_ratio"] + row["idle_ratio"] / 2, abs=1e-6)
    assert row["slot_seconds_per_node_day"] * 5 == pytest.approx(row["busy_count"] * 86400, rel=0.01)


def test_csv_keeps_the_digits_of_small_shares(desk: Desk) -> None:
    names, values = (line.split(",") for line in desk.ok(*SMALL, "-p", "age", "-o", "csv").splitlines())
    row = dict(zip(names, values, strict=True))

    assert row["policy"] == "age"
    assert len(row["harm_ratio"].strip("0.")) > 3


def test_how_fast_it_was_is_said_beside_the_data(desk: Desk) -> None:
    said = desk.run(*SMALL, "-p", "age", "-o", "name")

    assert said.out == "age\n"
    (line,) = said.err.splitlines()
    assert "probes in" in line
    assert "a second" in line


def test_a_trace_and_a_configuration_file(desk: Desk) -> None:
    (desk.folder / "t.csv").write_text("node,start,end,state\na,0,100000,up\na,100000,300000,down\nb,0,300000,up\n")
    (desk.folder / "mine.toml").write_text('[pool.good]\nbackoff = { base = "10m" }\n[pool.bad]\n')
    rows = json.loads(desk.ok("simulate", "t.csv", "-p", "mine.toml", "-p", "configured", "-o", "json"))["policies"]

    assert [row["policy"] for row in rows] == ["mine", "configured"]
    assert all(row["detect_mean_s"] > 600 for row in rows)


def test_the_past_of_this_installation(desk: Desk) -> None:
    desk.ok("node", "add", "n1", "n2")
    desk.break_node("n2")
    for _ in range(3):
        desk.ok("retest", "n1", "n2", "-q")
        desk.ok("tick")
    rows = json.loads(desk.ok("simulate", "--since", "30d", "-o", "json"))

    assert [row["policy"] for row in rows["policies"]] == ["configured", "additive", "age", "adaptive"]
    assert rows["nodes_count"] == 2
    assert 0 < rows["warm_up_s"] < 60
    assert 0 < rows["up_s"] < 10


def test_a_picture(desk: Desk) -> None:
    desk.ok(*SMALL, "-p", "age", "-p", "fixed", "--plot", "harm.svg")

    assert (desk.folder / "harm.svg").read_text().startswith("<svg ")


def test_an_equal_budget_is_spent_by_all(desk: Desk) -> None:
    rows = json.loads(desk.ok(*SMALL, "-p", "additive", "-p", "age", "--bare", "--equal", "tests=12", "-o", "json"))

    for row in rows["policies"]:
        assert row["tests_per_node_day"] == pytest.approx(12, rel=0.05)
        assert row["scale"] > 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nope.csv",), 2, "nope.csv: no such file"),
        (("bad.csv",), 2, "bad.csv:2: the state is 'dead', not up or down"),
        (("-p", "nope"), 2, "no policy and no file is named 'nope'"),
        (("-p", "bad.toml"), 78, "bad.toml:2: pool.good.backof: unknown key"),
        (("--synthetic", "pl5"), 2, "no fit is named 'pl5'"),
        (("bad.csv", "--synthetic", "pl05"), 2, "TRACE and --synthetic cannot both be"),
        (("--since", "1d"), 2, "no node that was tested twice"),
        (("bad.csv", "--nodes", "3"), 2, "--nodes and --spread are about made-up testbeds"),
        (("--equal", "money=3"), 2, "--equal cannot be 'money=3'"),
        (("--equal", "tests=0"), 2, "--equal cannot be 'tests=0'"),
        (("--days", "0.5", "--warm-up", "1d"), 2, "made up by pl05 lasts 12h, and the first 1d are not counted"),
        (("--fail-takes", "0"), 2, "a test takes some time"),
        (("--plot", "harm.gif"), 2, "'harm.gif' is no picture that can be drawn"),
        (("--plot", "no/where.svg"), 2, "no such directory"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_runs(
    desk: Desk, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (desk.folder / "bad.csv").write_text("node,start,end,state\na,0,9,dead\n")
    (desk.folder / "bad.toml").write_text("[pool.good]\nbackof = 1\n[pool.bad]\n")
    said = desk.run("simulate", *arguments)

    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert "probes in" not in said.err
    assert not list(Path(desk.folder).glob("*.svg"))


def test_on_a_terminal_a_bar_shows_how_far_it_is(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        desk.command(*SMALL, "-p", "age", "-p", "fixed", "-o", "name"),
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)

    assert done.stdout == "age\nfixed\n"
    assert b"simulating" in shown
    assert b"100%" in shown
