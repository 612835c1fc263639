"""Places in a network from which some hosts are reached and others are not: for workers of other sites.

I/O, root. An outpost has a network namespace of its own, on the bridge of a `Network`, and ends with that.
"""

from __future__ import annotations

import subprocess

from tests.lab.hosts import Host
from tests.lab.network import PREFIX, Network, end, innermost, read_ready, spawn
from tests.lab.requirements import program

_NOWHERE = "02:00:00:00:00:01"
"""A link-layer address that nobody has: what is sent there gets lost without a word."""
_KEEPER = """
echo ready
read -r _
ip link set lo up
ip addr add "$1/16" dev eth0
ip link set eth0 up
echo ready
exec cat >/dev/null
"""


class Outpost:
    """One place. `pid` is a process in its network, as seen from outside."""

    def __init__(self, network: Network, number: int) -> None:
        argv = [program("unshare"), "--net", "sh", "-ec", _KEEPER, "sh", f"{PREFIX}.2.{number}"]
        self._process = spawn([*network.within(), *argv])
        read_ready(self._process)
        self.pid = innermost(self._process.pid, 1)
        link = f"outpost{number}"
        network.ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        network.ip("link", "set", link, "master", "lab", "up")
        assert self._process.stdin
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        read_ready(self._process)

    def inside(self) -> list[str]:
        """Return what to put before a command that is to run here in all but the network."""
        return [program("nsenter"), "--target", str(self.pid), "--net", "--"]

    def cut(self, host: Host) -> None:
        """Lose the way to a host: nothing that is sent there arrives, and nothing says so."""
        self._run_ip("neigh", "replace", host.address, "lladdr", _NOWHERE, "dev", "eth0", "nud", "permanent")

    def mend(self, host: Host) -> None:
        """Find the way to a host again."""
        self._run_ip("neigh", "del", host.address, "dev", "eth0")

    def close(self) -> None:
        """End it, and wait for that."""
        end(self._process)

    def _run_ip(self, *args: str) -> None:
        subprocess.run([*self.inside(), program("ip"), *args], check=True, timeout=20)
