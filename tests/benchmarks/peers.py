"""The other tools, each told to run one command on all nodes, forty at a time.

I/O (their configuration files). A tool that is not installed is left out, and the table says so.
"""

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import Contestant
from tests.benchmarks.nodes import Nodes

AT_ONCE = 40
PEERS = Path(sys.prefix) / "peers"
"""A virtual environment of theirs: what they need of paramiko is not what we need."""

ANSIBLE_CONFIG = """\
[defaults]
host_key_checking = True
interpreter_python = /usr/bin/python3
retry_files_enabled = False
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool; `rounds` keeps the slow ones from taking all the time, `argv` is empty when it is not installed."""

    name: str
    checks_keys: bool
    argv: tuple[str, ...]
    env: dict[str, str]
    rounds: int

    def contestant(self, nodes: Nodes) -> Contestant:
        """Return what is to be run."""
        return Contestant(self.name, self.argv, self.env, before=nodes.quiet, rounds=self.rounds, optional=True)


def program(name: str) -> str:
    """Return the path of a tool of the peers' environment or of the system; empty when there is none."""
    own = PEERS / "bin" / name
    return str(own) if own.exists() else shutil.which(name) or ""


def peers(nodes: Nodes, command: str) -> Iterator[Peer]:
    """Give all peers, the installed and the missing."""
    _write_inventories(nodes)
    curve, debian = nodes.path("ssh_config_curve"), nodes.path("ssh_config")
    yield _pdsh("pdsh, curve25519", nodes, curve, command, 3)
    yield _pdsh("pdsh, as Debian ships it", nodes, debian, command, 1)
    hosts = nodes.path("hosts")
    clush = ("-f", str(AT_ONCE), "--hostfile", hosts, "-o", f"-F {curve}", "-S", command)
    yield _peer("clush, curve25519", "clush", clush, {}, rounds=3)
    xargs = ("-a", hosts, "-P", str(AT_ONCE), "-I{}", "ssh", "-F", curve, "{}", command)
    yield _peer("xargs ssh, curve25519", "xargs", xargs, {}, rounds=3)
    yield _ansible("ansible raw, curve25519", nodes, curve, command, 2)
    yield _ansible("ansible raw, as Debian ships it", nodes, debian, command, 1)
    pyinfra = (nodes.path("pyinfra_hosts.py"), "exec", "--parallel", str(AT_ONCE), "-y", "--", command)
    yield _peer("pyinfra", "pyinfra", pyinfra, {}, rounds=3)
    yield library("parallel-ssh", nodes, command, checked=False, rounds=3)


def library(
    name: str, nodes: Nodes, command: str, *, checked: bool, at_once: int = AT_ONCE, rounds: int = 1000
) -> Peer:
    """Return one of the libraries of `clients` as a peer."""
    python = program("python") if name == "parallel-ssh" else sys.executable
    words = ("-m", "tests.benchmarks.clients", name, str(nodes.folder), nodes.user, str(len(nodes.addresses)))
    argv = (python, *words, str(at_once), command, *(() if checked else ("--unchecked",)))
    label = {"fabric": "plain fabric in a pool"}.get(name, name)
    return Peer(
        label if checked or name != "asyncssh" else f"{label}, unchecked",
        checked,
        argv if _has(name, python) else (),
        {},
        rounds,
    )


@functools.cache
def _has(library: str, python: str) -> bool:
    module = {"parallel-ssh": "pssh"}.get(library, library)
    argv = [python, "-c", f"import {module}"]
    return bool(python) and subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _peer(name: str, tool: str, arguments: tuple[str, ...], env: dict[str, str], *, rounds: int) -> Peer:
    path = program(tool)
    return Peer(name, True, (path, *arguments) if path else (), env, rounds)


def _pdsh(name: str, nodes: Nodes, config: str, command: str, rounds: int) -> Peer:
    arguments = ("-R", "ssh", "-f", str(AT_ONCE), "-w", f"^{nodes.path('hosts')}", command)
    return _peer(name, "pdsh", arguments, {"PDSH_SSH_ARGS": f"-F {config} %h"}, rounds=rounds)


def _ansible(name: str, nodes: Nodes, config: str, command: str, rounds: int) -> Peer:
    env = {
        "ANSIBLE_CONFIG": nodes.path("ansible.cfg"),
        "ANSIBLE_HOME": nodes.path("ansible"),
        "ANSIBLE_LOCAL_TEMP": nodes.path("ansible_tmp"),
        "ANSIBLE_SSH_ARGS": f"-F {config} -o ControlMaster=no",
    }
    arguments = ("all", "-i", nodes.path("inventory.ini"), "-m", "raw", "-a", command, "-f", str(AT_ONCE))
    return _peer(name, "ansible", arguments, env, rounds=rounds)


def _write_inventories(nodes: Nodes) -> None:
    (nodes.folder / "ansible.cfg").write_text(ANSIBLE_CONFIG)
    lines = [f"{host} ansible_port={port} ansible_user={nodes.user}\n" for host, port in nodes.addresses]
    (nodes.folder / "inventory.ini").write_text("[all]\n" + "".join(lines))
    data = {
        "ssh_port": nodes.port,
        "ssh_user": nodes.user,
        "ssh_key": nodes.path("user_key"),
        "ssh_known_hosts_file": nodes.path("known_hosts"),
        "ssh_strict_host_key_checking": "yes",
    }
    entries = [(host, data) for host, _ in nodes.addresses]
    (nodes.folder / "pyinfra_hosts.py").write_text(f"nodes = {entries!r}\n")
