"""Experiments of every substrate on one node at once, by real commands; what is there is looked up on the node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.lab.container_node import ContainerNode, sweep_control_groups
from tests.probes.test_container import Ground

RECIPES = ("netns", "podman", "nspawn", "process")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with ContainerNode(tmp_path / "workshop") as node:
        yield Ground(node)
    sweep_control_groups()


@pytest.mark.lab
@pytest.mark.xdist_group("workshop")
def test_swapped_in_they_are_up_and_swapped_out_nothing_is_left(ground: Ground, tmp_path: Path) -> None:
    recipes = [name for name in RECIPES if not ground.missing(name)]
    ssh, desk = ground.node.ssh, Desk(tmp_path)
    desk.config.write_text(
        f'state_dir = "state"\n[ssh]\nuser = "root"\nport = {ssh.port}\n'
        f'key = "{ssh.key}"\nknown_hosts = "{ssh.known_hosts}"\n'
    )
    given = [word for key, value in ground.node.variables.items() for word in ("--set", f"{key}={value}")]
    desk.ok("node", "add", "pc1", "pc2", *given)  # two names of the one node there is
    desk.ok("tick")

    for name in recipes:
        desk.ok("experiment", "swapin", f"e-{name}", "--nodes", "pc1,pc2", "--recipe", name, "--wait")
    shown = {name: desk.ok("experiment", "show", f"e-{name}", "-o", "tsv").splitlines() for name in recipes}
    vnodes = {name: {word for line in lines for word in line.split("\t") if word.startswith("plabctl-")}
              for name, lines in shown.items()}  # fmt: skip
    for name in recipes:
        assert len(vnodes[name]) == 2
        assert vnodes[name] <= ground.seen(name)
    desk.ok("retest", "pc1", "pc2", "--wait")  # a test beside them disturbs none

    for name in recipes:
        assert vnodes[name] <= ground.seen(name)
        desk.ok("experiment", "swapout", f"e-{name}", "--wait")
    assert {name: ground.seen(name) for name in recipes} == {name: set() for name in recipes}
    assert ground.links() == []
    if missing := set(RECIPES) - set(recipes):
        pytest.skip(f"the rest was run; {'; '.join(ground.missing(name) for name in sorted(missing))}")
