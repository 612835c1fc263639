"""What docs/slurm.md and docs/kubernetes.md tell to do is done, on a real Slurm and against a kubectl that records."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console import ROOT, Desk
from tests.lab.slurm import NODES, Slurm

NEEDS_NODES = {"plabctl trust --yes '*'": "the nodes here are commands", "plabctl cron install": "tests/e2e has a cron"}
"""Lines that are not typed, and why."""


def read_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def add_to_config(desk: Desk, text: str) -> None:
    desk.config.write_text(f"{desk.config.read_text()}\n{text}")


@pytest.mark.slurm
def test_bad_nodes_are_drained_by_what_the_page_says(desk: Desk, slurm: Slurm) -> None:
    [sink, *_] = read_blocks("slurm.md", "toml")
    steps, _ = read_blocks("slurm.md", "sh")
    assert len(f"{sink}{steps}".strip().splitlines()) <= 10
    add_to_config(desk, sink)
    desk.break_node(NODES[0])
    lines = steps.splitlines()
    assert set(lines) >= NEEDS_NODES.keys()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", "\n".join(line for line in lines if line not in NEEDS_NODES)],
        cwd=desk.folder,
        env={**desk.environ, "SLURM_CONF": str(slurm.config), "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "slurm: nothing to change" in done.stderr, "the tick has done it"
    assert set(slurm.reasons()) == {NODES[0]}
    assert slurm.reasons()[NODES[0]].startswith("plabctl: setup: ")


@pytest.mark.slurm
def test_a_prolog_names_nodes_as_slurm_does(used_desk: Desk, slurm: Slurm) -> None:
    _, prolog = read_blocks("slurm.md", "sh")
    for node, name in zip(("pc1", "pc2"), NODES, strict=False):
        used_desk.ok("node", "set", node, f"slurm_name={name}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**used_desk.environ, "SLURM_CONF": str(slurm.config), "PATH": path}

    def run(nodes: str) -> int:
        given = {**environ, "SLURM_JOB_NODELIST": nodes}
        return subprocess.run(
            ["sh", "-c", prolog], cwd=used_desk.folder, env=given, capture_output=True, timeout=60, check=False
        ).returncode

    assert run(NODES[0]) == 0
    assert run("sn[1-2]") == 1


KUBECTL = """\
#!/bin/sh
# State: a file NODE.cordoned, and NODE.reason with the annotation.
cd "$(dirname "$0")" && echo "$*" >>calls
case $1 in
get)
    case $5 in
    *reason*) cat "$3.reason" 2>/dev/null ;;
    *unschedulable*) test -e "$3.cordoned" && printf true ;;
    *) exit 9 ;;
    esac
    exit 0
    ;;
cordon) touch "$2.cordoned" ;;
uncordon) rm "$2.cordoned" ;;
annotate)
    shift
    test "$1" != --overwrite || shift
    case $3 in
    plabctl-reason-) rm "$2.reason" ;;
    plabctl-reason=*) printf %s "${3#*=}" >"$2.reason" ;;
    *) exit 9 ;;
    esac
    ;;
*) exit 9 ;;
esac
"""


def test_the_hook_cordons_what_is_not_usable(used_desk: Desk, programs: Path) -> None:
    desk = used_desk
    (desk.folder / "pc2.bad").unlink()
    desk.ok("tick", "pc2")
    [hook] = read_blocks("kubernetes.md", "toml")
    [script] = read_blocks("kubernetes.md", "sh")
    for path, text in ((desk.folder / "cordon.sh", script), (programs / "kubectl", KUBECTL)):
        path.write_text(text)
        path.chmod(0o755)
    add_to_config(desk, hook)
    desk.environ["PATH"] = f"{programs}:{Path(sys.executable).parent}:{desk.environ['PATH']}"
    desk.ok("tick")
    (programs / "pc1.cordoned").touch()  # by a person

    for name in ("pc1", "pc2"):
        desk.break_node(name)
    desk.ok("tick", "pc1", "pc2")
    desk.ok("tick")
    reason = (programs / "pc2.reason").read_text()
    assert "hello [/x] from pc2" in reason
    assert (programs / "pc2.cordoned").exists()
    assert not (programs / "pc1.reason").exists()

    for name in ("pc1", "pc2"):
        (desk.folder / f"{name}.bad").unlink()
    for _ in range(3):  # one that has flapped needs several passes
        desk.ok("tick", "pc1", "pc2")
    desk.ok("tick")
    assert desk.ok("status", "@usable", "-o", "name").split() == ["pc1", "pc2"]
    assert not (programs / "pc2.cordoned").exists()
    assert not (programs / "pc2.reason").exists()
    assert (programs / "pc1.cordoned").exists(), "what a person did stays"
