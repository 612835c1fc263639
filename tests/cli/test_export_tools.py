"""Exports in the hands of the tools that they are for: ansible, ssh, clush and nodeset, on nodes with a real sshd."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.lab.requirements import program
from tests.lab.sshd import Sshd

pytestmark = pytest.mark.sshd
BIN = Path(sys.executable).parent
FOLDER = 'it\'s 100% "odd" {{ 7*7 }}'
"""Where keys and known hosts lie: all that ssh, a shell or Ansible could take for something else."""
CONFIG = """
state_dir = "state"
[ssh]
key = "key"
user = "{user}"
known_hosts = "known"
"""
ANSIBLE = {
    "ANSIBLE_SSH_ARGS": "-C",  # without a connection that stays
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
}
_LIMIT_S = 60.0


class Tools(Desk):
    """Three nodes: pc1 is reached directly, pc2 over two jump hosts, and pc3 is dead."""

    def run_tool(self, name: str, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Run a program that stands beside Python, or ssh; insist on success, and return its output."""
        own = BIN / name
        done = subprocess.run(
            [str(own) if own.exists() else program(name), *arguments],
            cwd=self.folder,
            env={**self.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    servers = tmp_path_factory.mktemp("servers")
    folder = servers / FOLDER
    folder.mkdir()
    with Sshd(servers / "a", totals=False) as one, Sshd(servers / "b", totals=False) as two:
        tools = Tools(folder)
        tools.environ |= {"HOME": str(servers), **ANSIBLE}
        (two.folder / "authorized_keys").write_bytes((one.folder / "authorized_keys").read_bytes())
        one.key.rename(folder / "key")
        (folder / "known").write_text(one.known_hosts() + two.known_hosts())
        tools.config.write_text(CONFIG.format(user=one.user))
        way = f"{one.user}@{one.address}:{one.port},{two.address}:{two.port}"
        tools.ok("node", "add", "pc1.lab", "--set", "site=north-1", "--set", "note={{ 6*7 }}", *_set(one))
        over = ("--set", f"ssh_jump={way}")
        tools.ok("node", "add", "Pc2.lab", "--set", "site=north 1", "--set", "note=plain", *over, *_set(one))
        tools.ok("node", "add", "pc3.lab", "--set", "ssh_host=127.0.0.1", "--set", "ssh_port=1")
        tools.ok("tick")
        yield tools


def _set(server: Sshd) -> list[str]:
    return [word for pair in server.variables() for word in ("--set", pair)]


def test_the_tests_found_two_nodes_usable(tools: Tools) -> None:
    assert tools.ok("status", "@usable", "-o", "name").split() == ["Pc2.lab", "pc1.lab"]


def test_ansible_reads_the_inventory_and_pings_the_usable_nodes(tools: Tools) -> None:
    tools.ok("export", "ansible", "--wrapper", "nodes")

    listing = json.loads(tools.run_tool("ansible-inventory", "-i", "nodes", "--list"))
    pinged = tools.run_tool("ansible", "-i", "nodes", "plab_usable", "-m", "ping", "-a", "data={{ plab_labels.note }}")

    assert listing["plab_usable"]["hosts"] == ["Pc2.lab", "pc1.lab"]
    assert listing["plab_unusable"]["hosts"] == ["pc3.lab"]
    assert [name for name in listing if name.startswith("plab_site_north_1_")]
    assert sorted(listing["plab"]["children"]) == ["plab_pool_bad", "plab_pool_good"]
    assert pinged.count("SUCCESS") == 2
    assert sorted(line.strip() for line in pinged.splitlines() if '"ping"' in line) == [
        '"ping": "plain"',
        '"ping": "{{ 6*7 }}"',  # and not 42
    ]


def test_ssh_logs_in_as_plabctl_does(tools: Tools) -> None:
    (tools.folder / "plab.conf").write_text(tools.ok("export", "ssh-config"))
    (tools.folder / "config").write_text(f'Include "{_quoted(tools.folder / "plab.conf")}"\n')

    for name in ("pc1.lab", "Pc2.lab", "pc2.lab"):
        assert tools.run_tool("ssh", "-F", "config", "-n", name, "echo here").strip() == "here"


def _quoted(path: Path) -> str:
    return str(path).replace('"', '\\"')


def make_cluster_shell(tools: Tools, name: str, more: str) -> Callable[..., str]:
    """Make a folder of ClusterShell's with our groups by default; return what runs its programs with it."""
    folder = tools.folder / name
    folder.mkdir()
    (folder / "groups.conf").write_text(f"[Main]\ndefault: plab\n{more}")
    variables = {"CLUSTERSHELL_CFGDIR": str(folder)}
    return lambda *words: tools.run_tool(*words, variables=variables).strip()


def test_clush_runs_on_the_usable_nodes_of_a_file(tools: Tools) -> None:
    run = make_cluster_shell(tools, "file", "autodir: $CFGDIR\n")
    (tools.folder / "file" / "plab.yaml").write_text(tools.ok("export", "nodeset"))
    (tools.folder / "plab.conf").write_text(tools.ok("export", "ssh-config"))

    assert run("nodeset", "-f", "-a") == "Pc2.lab,pc[1,3].lab"
    assert run("nodeset", "-f", "@usable", "-x", "@site=north-1") == "Pc2.lab"
    said = run("clush", "-g", "usable", "-O", "ssh_options=-F plab.conf", "echo here")
    assert sorted(said.splitlines()) == ["Pc2.lab: here", "pc1.lab: here"]


def test_clustershell_asks_plabctl(tools: Tools) -> None:
    run = make_cluster_shell(tools, "source", tools.ok("export", "nodeset", "--source"))

    assert run("nodeset", "-f", "@plab:bad", "@plab:held") == "pc3.lab"
    assert run("nodeset", "-f", "-a") == "Pc2.lab,pc[1,3].lab"
    assert {"@plab:usable", "@plab:good", "@plab:site=north-1"} <= set(run("nodeset", "-l", "-s", "plab").split())
    assert run("nodeset", "-l", "-s", "plab", "pc3.lab").split() == ["@plab:bad", "@plab:unusable"]
