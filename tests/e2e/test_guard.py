"""The monitor loses its own network while a hundred nodes are good: nobody moves, it is said once, and it passes."""

import json
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.hosts import Lab

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("hosts"), pytest.mark.timeout(240)]

COUNT = 100
_LIGHT = """
[recipe.light]
check = { run = "true", timeout = "20s" }
"""


def told(site: Site, kind: str) -> list[dict[str, object]]:
    lines = site.run("history", "-o", "jsonl").splitlines()
    return [event for line in lines if (event := json.loads(line))["kind"] == kind]


@pytest.mark.parametrize("far", [False, True], ids=["no route here", "silence beyond"])
def test_a_monitor_that_is_cut_off_moves_no_node_and_says_so_once(tmp_path: Path, far: bool) -> None:
    with Lab(tmp_path / "lab", 1) as lab:
        site = Site(tmp_path / "site", inside=lab.network.inside())
        site.configure(key=lab.key, window=20, recipe="light", more=_LIGHT)
        host = lab.hosts[0].address
        # Without a route of our own every test says so. Silence beyond can be told from dead nodes by a canary at once;
        # by their share only when that is reached, and until then suspects may be confirmed.
        canary = f'[guard]\ncanary = ["{host}:22"]\n' if far else ""
        site.config.write_text(site.config.read_text().replace("[guard]\nmax_ratio = 1.0\n", canary))
        site.add({f"node-{number:03}": {"ssh_host": host} for number in range(COUNT)})
        site.run("trust", "node-000", "--yes")
        assert site.run("tick") == ""
        good = {f"node-{number:03}": "good" for number in range(COUNT)}
        assert site.pools() == good
        moves = len(told(site, "transition"))

        if far:
            lab.hosts[0].cut_link()
        else:
            lab.network.ip("link", "set", "lab", "down")
        site.run("retest", "*", "--yes")
        assert site.run("tick") == ""

        assert site.pools() == good
        assert len(told(site, "transition")) == moves
        assert len(told(site, "guard-on")) == 1
        assert json.loads(site.run("status", "-o", "json"))["guard"]["state"] == "on"

        if far:
            lab.hosts[0].mend_link()
        else:
            lab.network.ip("link", "set", "lab", "up")
        for _ in range(2):
            site.run("retest", "*", "--yes")
            assert site.run("tick") == ""

        assert site.pools() == good
        assert len(told(site, "transition")) == moves
        assert (len(told(site, "guard-on")), len(told(site, "guard-off"))) == (1, 1)
        assert json.loads(site.run("status", "-o", "json"))["guard"] == {"state": "off"}
