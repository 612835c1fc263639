"""`retest --wait --fresh`: the gate of prologs and scripts."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plabctl.cli.fast_path import parse_gate
from tests.cli.console import ROOT, Desk

GATE = ("--wait", "--fresh", "1h")


@pytest.fixture
def gate_desk(used_desk: Desk) -> Desk:
    """A desk whose nodes were tested (pc1 is good, pc2 is bad) and that counts tests from now on."""
    config = used_desk.config.read_text()
    assert 'setup = { run = "' in config
    used_desk.config.write_text(
        config.replace(
            'setup = { run = "', 'setup = { run = "echo {node} >> tally; if test -e slow; then sleep 60; fi; '
        )
    )
    return used_desk


def read_tested(desk: Desk) -> list[str]:
    tally = desk.folder / "tally"
    return tally.read_text().split() if tally.exists() else []


@pytest.mark.parametrize("nodes", ["pc1", "PC1", "pc[1]", "site=north,!pc2"])
def test_a_young_pass_counts_and_nothing_is_said(gate_desk: Desk, nodes: str) -> None:
    said = gate_desk.run("retest", nodes, *GATE)

    assert (said.code, said.out, said.err) == (0, "", "")
    assert not read_tested(gate_desk)


def test_an_old_pass_is_renewed_here_and_now(gate_desk: Desk) -> None:
    said = gate_desk.run("retest", "pc1", "--wait", "--fresh", "0s")

    assert said.code == 1, "nothing is as young as that, also not the test made now"
    assert read_tested(gate_desk) == ["pc1"]
    assert gate_desk.run("retest", "pc1", *GATE).code == 0
    assert read_tested(gate_desk) == ["pc1"]


def test_what_is_not_usable_is_tested_and_keeps_the_gate_closed(gate_desk: Desk) -> None:
    said = gate_desk.run("retest", "pc1", "pc2", *GATE)

    assert said.code == 1
    assert said.out == ""
    assert said.err == "pc2: in bad: setup: hello [/x] from pc2\n"
    assert read_tested(gate_desk) == ["pc2"]


def test_a_node_that_works_again_is_let_through(gate_desk: Desk) -> None:
    (gate_desk.folder / "pc2.bad").unlink()

    assert gate_desk.run("retest", "pc2", *GATE).code == 0
    assert read_tested(gate_desk) == ["pc2"]


def test_a_hook_that_fails_is_told_and_closes_no_gate(gate_desk: Desk) -> None:
    with gate_desk.config.open("a") as file:
        file.write('\n[[hook]]\ncommand = ["false"]\non = ["probe", "transition", "retest"]\n')
    gate_desk.ok("move", "pc1", "bad", "--once", "--reason", "to be tested")

    let_through, closed = gate_desk.run("retest", "pc1", *GATE), gate_desk.run("retest", "pc2", *GATE)

    assert (let_through.code, closed.code) == (0, 1)
    assert let_through.err == "plabctl: hook 'false': exit code 1\n"
    assert closed.err == f"{let_through.err}pc2: in bad: setup: hello [/x] from pc2\n"
    assert read_tested(gate_desk) == ["pc1", "pc2"]


def test_what_a_person_keeps_out_is_not_tested(gate_desk: Desk) -> None:
    gate_desk.ok("hold", "pc1", "--reason", "repair")

    said = gate_desk.run("retest", "pc1", *GATE)

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("pc1: held by ")
    assert not read_tested(gate_desk)


def test_json_says_it_of_each_node(gate_desk: Desk) -> None:
    said = gate_desk.run("retest", "pc*", *GATE, "-o", "json")

    found = json.loads(said.out)
    assert (said.code, found["usable"], found["schema_version"]) == (1, False, 1)
    assert [(node["name"], node["usable"], node["tested"], node.get("why_not")) for node in found["nodes"]] == [
        ("pc1", True, False, None),
        ("pc2", False, True, "in bad: setup: hello [/x] from pc2"),
    ]
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", found["nodes"][0]["passed_at"])


def test_it_gives_up_in_time_and_leaves_nothing_running(gate_desk: Desk) -> None:
    (gate_desk.folder / "slow").touch()
    began = time.monotonic()

    said = gate_desk.run("retest", "pc2", *GATE, "--timeout", "1s")

    assert said.code == 1
    assert said.err.startswith("pc2: in bad: ")
    assert read_tested(gate_desk) == ["pc2"]
    assert time.monotonic() - began < 30  # the stage may take a minute


def test_what_is_given_up_does_not_pass_by_an_older_test(gate_desk: Desk) -> None:
    (gate_desk.folder / "slow").touch()

    assert gate_desk.run("retest", "pc1", "--wait", "--timeout", "1s").code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("pc1 --fresh 1h", "--fresh needs --wait"),
        ("pc1 --timeout 1h", "--timeout needs --wait"),
        ("pc1 --wait -o json", "-o json needs --wait --fresh AGE"),
        ("pc1 --wait --fresh soon", "'soon'"),
        ("pc1 --wait --fresh -1h", "'-1h'"),
    ],
)
def test_what_cannot_be_meant_is_refused(gate_desk: Desk, arguments: str, words: str) -> None:
    said = gate_desk.run("retest", *arguments.split())

    assert said.code == 2
    assert words in said.err
    assert not read_tested(gate_desk)


def test_a_node_that_is_not_there_is_told(gate_desk: Desk) -> None:
    said = gate_desk.run("retest", "pc1", "pc9", *GATE)

    assert said.code == 1
    assert "no node is named 'pc9'" in said.err


@pytest.mark.parametrize("options", [("--timeout", "soon"), ("--timeout", "-1m"), ("--timeout=",)])
def test_a_wrong_option_is_told_also_where_nothing_is_to_be_tested(gate_desk: Desk, options: tuple[str, ...]) -> None:
    said = gate_desk.run("retest", "pc1", *GATE, *options)

    assert said.code == 2
    assert said.err


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ("retest pc1 pc2 --wait --fresh 15m", (["pc1", "pc2"], None, "15m", "0")),
        ("retest -w --fresh=15m pc1 --timeout 2m -q -c x", (["pc1"], "x", "15m", "2m")),
        ("retest pc1 --wait --fresh= 15m", None),
        ("retest pc1 --wait --fresh 15m --timeout= -q", None),
        ("retest pc1 --wait", None),
        ("retest pc1 --fresh 15m", None),
        ("retest --wait --fresh 15m", None),
        ("retest pc1 --wait --fresh", None),
        ("retest pc1 --wait --fresh 15m --fresh 1m", None),
        ("retest pc1 --wait --fresh 15m -o json", None),
        ("retest pc1 --wait --fresh 15m --yes", None),
        ("hold pc1 --wait --fresh 15m", None),
        ("", None),
    ],
)
def test_what_the_quick_path_takes(arguments: str, parsed: object) -> None:
    assert parse_gate(arguments.split()) == parsed


def test_a_running_test_of_a_tick_answers_as_well(gate_desk: Desk) -> None:
    (gate_desk.folder / "pc2.bad").unlink()
    (gate_desk.folder / "plabctl.toml").write_text(gate_desk.config.read_text().replace("sleep 60", "sleep 2"))
    (gate_desk.folder / "slow").touch()
    gate_desk.ok("retest", "pc2")
    with gate_desk.running("tick") as tick:
        while not read_tested(gate_desk):
            assert tick.poll() is None
            time.sleep(0.02)

        assert gate_desk.run("retest", "pc2", *GATE).code == 0
        assert len(gate_desk.ok("history", "pc2", "--kind", "retest").splitlines()) == 1  # ours, from before


def test_a_list_of_names_as_slurm_writes_it_is_let_through_by_the_quick_path(gate_desk: Desk) -> None:
    (gate_desk.folder / "pc2.bad").unlink()
    gate_desk.ok("tick", "pc2")
    for nodes, code in (("pc[1-2]", 0), ("pc1,pc2", 0), ("pc[1-3]", 1), ("pc[1-2],!pc2", 0), ("pc*", 0)):
        assert gate_desk.run("retest", nodes, *GATE).code == code, nodes


def test_a_swap_in_waits_for_its_gate(gate_desk: Desk) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/gates.md").read_text(), re.DOTALL)
    [line] = [block for block in blocks if "swapin" in block]
    environ = {**gate_desk.environ, "PATH": f"{Path(sys.executable).parent}:{gate_desk.environ['PATH']}"}

    def run() -> int:
        return subprocess.run(
            ["sh", "-c", line], cwd=gate_desk.folder, env=environ, capture_output=True, timeout=60, check=False
        ).returncode

    assert run() != 0
    assert not gate_desk.ok("experiment", "list", "-o", "name")
    (gate_desk.folder / "pc2.bad").unlink()
    assert run() == 0
    assert gate_desk.ok("experiment", "list", "-o", "name").split() == ["demo"]


@pytest.mark.parametrize("name", ["prolog.sh", "guard.sh"])
def test_the_scripts_of_the_page_let_through_what_works(gate_desk: Desk, name: str) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/gates.md").read_text(), re.DOTALL)
    [script] = [block for block in blocks if f"# {name}" in block]
    path = gate_desk.folder / name
    path.write_text(script)

    def run(nodes: str) -> int:
        environ = {**gate_desk.environ, "SLURM_JOB_NODELIST": nodes, "NODES": nodes}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        done = subprocess.run(
            ["sh", str(path)],
            cwd=gate_desk.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode

    assert run("pc1") == 0
    assert run("pc[1-2]") != 0
