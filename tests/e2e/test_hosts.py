"""Twelve machines, five of them broken in five ways: the right pools, the right causes, and the way back."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.hosts import Host, Lab
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("hosts"), pytest.mark.timeout(600)]

COUNT = 12


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", COUNT) as lab:
        yield lab


def is_bare(host: Host) -> bool:
    return all("sshd" in line for line in host.processes())


def round_of_ticks(site: Site, *nodes: str) -> None:
    site.run("retest", *(nodes or ("*",)), "--yes")
    assert site.run("tick") == ""


def test_each_machine_is_where_it_belongs_and_one_that_is_repaired_comes_back(lab: Lab, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", network=lab.network)
    site.run("init")
    site.configure(key=lab.key)
    site.run("config", "check")
    site.add({host.name: {"ssh_host": host.address} for host in lab.hosts})
    assert set(site.pools().values()) == {"bad"}
    site.run("trust", "*", "--yes")

    assert site.run("tick") == ""
    assert site.pools() == {host.name: "good" for host in lab.hosts}

    stopped, cancellation, changed, locked, full = lab.hosts[:5]
    stopped.stop_sshd()
    cancellation.cut_link()
    changed.change_host_key()
    locked.take_key()
    full.fill_disk()
    expected = {
        stopped.name: "protocol",
        cancellation.name: "connect",
        changed.name: "host-key",
        locked.name: "auth",
        full.name: "setup",
    }
    for _ in range(3):
        round_of_ticks(site)
        assert site.causes() == expected

    full.empty_disk()
    round_of_ticks(site, full.name)
    assert site.causes() == {name: cause for name, cause in expected.items() if name != full.name}

    stopped.continue_sshd()
    cancellation.mend_link()
    locked.give_key()
    assert "CHANGED" in site.run("trust", changed.name, "--yes", code=1)
    site.run("trust", changed.name, "--changed", "--yes")
    round_of_ticks(site)
    assert site.causes() == {}

    for host in lab.hosts:
        assert host.files() == [], "no vnode is left"
        assert wait_until(partial(is_bare, host)), host.processes()
