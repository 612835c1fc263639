"""The monitor loses its own network while forty nodes are good: nobody moves, it is said once, and it passes."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.hosts import Lab
from tests.lab.wait_until import wait_until
from tests.state_files import read_tables

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("hosts"), pytest.mark.timeout(600)]

COUNT = 40
FEW = 7
QUICK, PATIENT = "1s", "20s"
"""How long a connection may take: where none can come, and where all must."""
"""A share of them that is not yet a guard's."""
_LIGHT = """
[recipe.light]
check = { run = "true", timeout = "20s" }
"""


def wait_for_connections(site: Site, seconds: str) -> None:
    text = site.config.read_text()
    site.config.write_text(re.sub('connect_timeout = ".*"', f'connect_timeout = "{seconds}"', text))


def records(site: Site) -> dict[str, dict[str, object]]:
    """What the state remembers of each node, but for when it was tested and how long that took."""
    nodes = read_tables(site.folder / "state")["nodes"]
    passing = {"last", "due_at", "interval_s", "probed_at", "slow"}
    return {
        name: {key: kept for key, kept in doc["member"].items() if key not in passing} for name, doc in nodes.items()
    }


def told(site: Site, kind: str) -> list[dict[str, object]]:
    lines = site.run("history", "-o", "jsonl").splitlines()
    return [event for line in lines if (event := json.loads(line))["kind"] == kind]


@pytest.mark.parametrize("far", [False, True], ids=["no route here", "silence beyond"])
def test_a_monitor_that_is_cut_off_moves_no_node_and_says_so_once(tmp_path: Path, far: bool) -> None:
    with Lab(tmp_path / "lab", 1) as lab:
        site = Site(tmp_path / "site", network=lab.network)
        site.configure(key=lab.key, window=20, recipe="light", connect_timeout=PATIENT, more=_LIGHT)
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

        wait_for_connections(site, QUICK)
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

        wait_for_connections(site, PATIENT)
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


def test_without_a_canary_what_was_confirmed_before_the_share_was_reached_is_taken_back(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", 1) as lab:
        site = Site(tmp_path / "site", network=lab.network)
        site.configure(key=lab.key, window=20, recipe="light", connect_timeout=PATIENT, more=_LIGHT)
        host = lab.hosts[0].address
        site.config.write_text(site.config.read_text().replace("[guard]\nmax_ratio = 1.0\n", ""))
        site.add({f"node-{number:03}": {"ssh_host": host} for number in range(COUNT)})
        site.run("trust", "node-000", "--yes")
        for _ in range(2):
            assert site.run("tick") == ""
            site.run("retest", "*", "--yes")
        assert site.run("tick") == ""
        before = records(site)
        assert set(site.pools().values()) == {"good"}
        moves = len(told(site, "transition"))

        wait_for_connections(site, QUICK)
        lab.hosts[0].cut_link()
        site.run("retest", *(f"node-{number:03}" for number in range(FEW)), "--yes")
        assert site.run("tick") == ""
        confirmed = [event for event in told(site, "transition")[moves:] if event["to"] == "bad"]
        assert len(confirmed) == FEW, "too few of those tested lately for a guard"
        site.run("retest", "@good", "--yes")
        assert site.run("tick") == ""

        assert set(site.pools().values()) == {"good"}
        back = [event for event in told(site, "transition")[moves:] if event["to"] == "good"]
        assert sorted(str(event["node"]) for event in back) == sorted(str(event["node"]) for event in confirmed)
        assert {event["cause"] for event in back} == {"guard"}
        assert [event["scope"] for event in told(site, "guard-on")] == ["pool good"]

        wait_for_connections(site, PATIENT)
        lab.hosts[0].mend_link()
        assert wait_until(lambda: lab.run(["bash", "-c", f"exec 3<>/dev/tcp/{host}/22"]).returncode == 0)
        for _ in range(2):
            site.run("retest", "*", "--yes")
            assert site.run("tick") == ""

        passed = {name: int(str(record.pop("ok_streak"))) for name, record in before.items()}
        after = records(site)
        assert {name: record.pop("ok_streak") for name, record in after.items()} == {
            name: count + 2 for name, count in passed.items()
        }
        assert after == before
        assert (len(told(site, "guard-on")), len(told(site, "guard-off"))) == (1, 1)
