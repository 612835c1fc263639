"""Workers at two sites, of which each reaches some hosts only: a way that is lost is told, and moves nobody."""

from pathlib import Path

import pytest

from tests.lab.far_sites import FarSites

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("dask")]

WINDOW = 3


def test_a_way_that_is_lost_is_told_a_dead_host_is_confirmed_and_both_come_back(tmp_path: Path) -> None:
    with FarSites(tmp_path, 4, {"north": 2, "south": 2}, window=WINDOW) as far:
        whole, hidden, dead, other = far.hosts
        north, monitor = far.outposts["north"], far.monitor
        far.add(north=[whole, hidden, dead], south=[other])
        north.cut(other)  # which nobody notices, as nobody asks
        assert monitor.run("tick") == ""
        steps = far.tell_steps()
        for host in (whole, hidden, dead):
            assert steps[host.name] == ["north pass", "transition", "north pass"]
        assert steps[other.name] == ["south pass", "transition", "south pass"]

        north.cut(hidden)
        dead.cut_link()
        monitor.run("retest", "*", "--yes")
        assert monitor.run("tick") == ""
        steps = {name: all_[3:] for name, all_ in far.tell_steps().items()}
        begin = ["retest", "north fail", "suspect"]
        assert steps[hidden.name] == [*begin, "south pass", "refuted", "north path-lost"]
        assert steps[dead.name][:5] == [*begin, "south fail", "transition"]
        assert steps[whole.name] == ["retest", "north pass"]
        assert steps[other.name] == ["retest", "south pass"]
        assert f"not reached from north, but from elsewhere: {hidden.name}; 4 nodes: 3 good, 1 bad" in monitor.run(
            "check"
        )
        assert [node["name"] for node in monitor.status() if node.get("lost_from") == "north"] == [hidden.name]

        north.mend(hidden)
        dead.mend_link()
        far.cluster.kill("south")
        monitor.run("retest", hidden.name, dead.name)
        assert monitor.run("tick") == ""
        steps = far.tell_steps()
        assert steps[hidden.name][9:] == ["retest", "north pass", "north path-back"]
        assert steps[dead.name][-3:] == ["north pass", "transition", "north pass"]

        assert (far.list_twice(), far.list_left()) == ([], [])
        assert 1 < far.watch.most <= WINDOW, "the workers have four slots"
        assert monitor.history("late", "void") == []
