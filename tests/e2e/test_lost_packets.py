"""The way to a host loses what is sent there, and is mended after the test has ended: nothing of the test comes late.

What was sent and not acknowledged lies in the kernel, which sends it again for minutes, also after the process that
wrote it has ended. A set-up that arrives so would make a vnode that everybody has forgotten.
"""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.hosts import Host, Lab
from tests.lab.outposts import Outpost
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("hosts")]

# That which makes the vnode is the second stage, so that the test can tell when it is about to be sent.
RECIPE = """
[recipe.waiting]
setup = { run = "touch /mnt/began; while test ! -e /mnt/go; do sleep 0.05; done" }
up = { run = "mkdir /mnt/live/{vnode}", timeout = "2s" }
teardown = { run = "rmdir /mnt/live/{vnode} 2>/dev/null || test ! -e /mnt/live/{vnode}" }
[deadlines]
enabled = false
"""
TIME_WAIT = "06"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", 1) as lab:
        yield lab


def list_unsent(place: Outpost) -> list[int]:
    """Return for each connection of the place how many bytes were not acknowledged yet."""
    rows = [line.split() for line in Path(f"/proc/{place.pid}/net/tcp").read_text().splitlines()[1:]]
    return [int(row[4].split(":")[0], 16) for row in rows if row[3] != TIME_WAIT]


def make_site(lab: Lab, place: Outpost, folder: Path) -> Site:
    (lab.hosts[0].folder / "live").mkdir()
    site = Site(folder, network=place)
    site.run("init")
    site.configure(key=lab.key, recipe="waiting", more=RECIPE)
    site.add({host.name: {"ssh_host": host.address} for host in lab.hosts})
    site.run("trust", "*", "--yes")
    return site


def list_live(host: Host) -> list[str]:
    return [path.name for path in (host.folder / "live").iterdir()]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_set_up_that_was_lost_on_the_way_is_not_made_later(lab: Lab, tmp_path: Path, *, is_killed: bool) -> None:
    (host,) = lab.hosts
    with closing(Outpost(lab.network, 1)) as place:
        site = make_site(lab, place, tmp_path / "site")
        with site:
            tick = site.start("tick")
            assert wait_until((host.folder / "began").exists)
            place.cut(host)
            (host.folder / "go").touch()
            assert wait_until(lambda: any(list_unsent(place)))
            if is_killed:
                tick.send_signal(signal.SIGKILL)
            tick.wait(60)
            assert not any(list_unsent(place)), "it would be sent again"
            place.mend(host)
            assert wait_until(lambda: not list_unsent(place), within_s=30)
            assert not wait_until(lambda: bool(list_live(host)), within_s=1)
        site.run("retest", "*", "--yes")
        site.run("tick")
        assert site.pools() == {host.name: "good"}
        assert list_live(host) == []
