"""The configuration of docs/sites.md, as it stands there, with real sshds: a jump host for each site."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.docs.pages import DOCS
from tests.probes.openssh import Sshd, needs_sshd

TEXT = (DOCS / "sites.md").read_text()
SITES = {"north": 3, "south": 16}

pytestmark = needs_sshd


def find_block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


class TwoSites:
    """Two sites on loopback: a jump host and one sshd that stands for all nodes of each."""

    def __init__(self, folder: Path) -> None:
        self.gates = {site: Sshd(folder / f"gate-{site}") for site in SITES}
        self.nodes = {site: Sshd(folder / f"node-{site}") for site in SITES}
        servers = [*self.gates.values(), *self.nodes.values()]
        self.key = servers[0].user_key
        lines = "".join(server.known_hosts.read_text() for server in servers)
        (folder / "known_hosts").write_text(lines)
        for server in servers:
            (server.directory / "authorized_keys").write_text(self.key.with_suffix(".pub").read_text())
        self.desk = Desk(folder)
        settings = servers[0].settings()
        changes = {"plab": settings.user, "id_ed25519": str(self.key)}
        config = re.sub(r'"(plab|id_ed25519)"', lambda found: f'"{changes[found[1]]}"', find_block("toml"))
        config = config.replace("[ssh]\n", '[ssh]\nknown_hosts = "known_hosts"\n')
        self.desk.config.write_text(f'state_dir = "state"\n\n{config}')
        listed = find_block("text")
        for site in SITES:
            way = f"127.0.0.1:{self.gates[site].port} ssh_host=127.0.0.1 ssh_port={self.nodes[site].port}"
            listed = listed.replace(f"gate.{site}.example.org", way)
        (folder / "nodes.txt").write_text(listed)

    def stop(self) -> None:
        for server in (*self.gates.values(), *self.nodes.values()):
            server.stop()

    def read_pools(self) -> dict[str, Counter[str]]:
        nodes = json.loads(self.desk.ok("status", "-o", "json"))["nodes"]
        return {site: Counter(node["pool"] for node in nodes if node["site"] == site) for site in SITES}


@pytest.fixture(name="testbed")
def running(tmp_path: Path) -> Iterator[TwoSites]:
    testbed = TwoSites(tmp_path)
    yield testbed
    testbed.stop()


def test_neither_a_jump_host_nor_a_switch_that_fails_costs_nodes(testbed: TwoSites) -> None:
    desk = testbed.desk
    desk.ok("tick")
    whole = {site: Counter(good=count) for site, count in SITES.items()}
    assert testbed.read_pools() == whole

    testbed.gates["north"].stop()
    desk.ok("retest", "site=north", "--yes")
    desk.run("tick")
    assert testbed.read_pools() == whole
    said = desk.run("check")
    assert (said.code, f"jump host '[127.0.0.1]:{testbed.gates['north'].port}'" in said.out) == (1, True), said
    testbed.gates["north"].start()

    testbed.nodes["north"].stop()
    desk.ok("retest", "site=north", "--yes")
    desk.run("tick")
    assert testbed.read_pools() == whole
    (scope,) = json.loads(desk.ok("status", "-o", "json"))["guard"]["scopes"]
    assert (scope["scope"], scope["reason"].startswith("3 of 3 good nodes ")) == ("site north", True), scope
