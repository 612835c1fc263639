"""Hosts that are tested from several sites by real workers: whole hosts, each worker in a network of its own.

I/O, root: processes and namespaces, that end with the `with` block. Scheduler and monitor are in the network of the
hosts, and use TLS. What is made on a host is counted there. Each host is a node, with the variable `recipe`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.dask_cluster import Cluster, Monitor
from tests.lab.hosts import PORT, Host, Lab
from tests.lab.network import Watch
from tests.lab.outposts import Outpost

_RECIPE = """
[recipe.hosted]
setup = {{ run = "mkdir /mnt/live/{{vnode}} /mnt/made/{{vnode}} || ! echo {{vnode}} >>/mnt/twice" }}
check = {{ run = "sleep {sleep}" }}
teardown = {{ run = "rmdir /mnt/live/{{vnode}} 2>/dev/null || test ! -e /mnt/live/{{vnode}}" }}
[guard]
max_ratio = 1.0
neighbours = 0
[flap]
apart = "0s"
[deadlines]
enabled = false
"""


class FarSites:
    """Hosts `n01`, `n02` and so on, and a worker at each of `sites`, which says how many tests it makes at once."""

    def __init__(
        self,
        folder: Path,
        hosts: int,
        sites: Mapping[str, int],
        *,
        window: int,
        sleep: float = 0.3,
        every: str = "1h",
        connect_timeout: str = "1s",
    ) -> None:
        self._every, self._connect_timeout = every, connect_timeout
        self._folder, self._sites, self._window = folder, sites, window
        self._lab = Lab(folder / "lab", hosts)
        self._stack = ExitStack()
        self._sleep = sleep
        self.outposts: dict[str, Outpost] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lab)
            for number, site in enumerate(self._sites, 1):
                self.outposts[site] = Outpost(self._lab.network, number)
                stack.callback(self.outposts[site].close)
            (self._folder / "dask").mkdir()
            self.cluster = stack.enter_context(Cluster(self._folder / "dask", self._lab.network, is_forked=True))
            for site in self._sites:
                self.start_worker(site)
            for host in self.hosts:
                for name in ("live", "made"):
                    (host.folder / name).mkdir()
            self.monitor = self._make_monitor()
            pids = [outpost.pid for outpost in self.outposts.values()]
            self.cluster.await_ready(*self._sites)
            self.watch = stack.enter_context(Watch([*pids, self._lab.network.pid], PORT, every_s=0.07))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def hosts(self) -> Sequence[Host]:
        """The hosts, in order."""
        return self._lab.hosts

    def start_worker(self, site: str) -> None:
        """Start the worker of a site."""
        own = self._ssh(key=str(self._lab.key))
        self.cluster.start_worker(site, site, self._sites[site], more=own, network=self.outposts[site])

    def add(self, **sites: Sequence[Host]) -> None:
        """Let hosts be nodes of these sites."""
        rows = [f"{host.name},{site},{host.address},hosted" for site, hosts in sites.items() for host in hosts]
        path = self.monitor.folder / "nodes.csv"
        path.write_text("\n".join(["name,site,ssh_host,recipe", *rows, ""]))
        self.monitor.run("node", "import", str(path))

    def tell_steps(self) -> dict[str, list[str]]:
        """Return what happened to each node, in order: of a test its vantage and outcome, else its kind."""
        told: dict[str, list[str]] = {host.name: [] for host in self.hosts}
        for event in self.monitor.read_history():
            if event.get("node") in told and event["kind"] != "node-added":
                what = event["outcome"] if event["kind"] == "probe" else event["kind"]
                told[event["node"]].append(" ".join(filter(None, (event.get("vantage"), what))))
        return told

    def list_left(self) -> list[str]:
        """Return the vnodes that are on hosts."""
        return [f"{host.name}: {path.name}" for host in self.hosts for path in (host.folder / "live").iterdir()]

    def list_twice(self) -> list[str]:
        """Return the vnodes that were made twice."""
        found = []
        for host in self.hosts:
            with contextlib.suppress(FileNotFoundError):
                found += (host.folder / "twice").read_text().split()
        return found

    def _make_monitor(self) -> Monitor:
        monitor = Monitor(self.cluster, "monitor", window=self._window, second_opinion=True)
        monitor.configure(more=self._ssh() + _RECIPE.format(sleep=self._sleep))
        config = monitor.folder / "plabctl.toml"
        backoff = f'backoff = {{ kind = "fixed", base = "{self._every}", jitter = "0s" }}\n'
        config.write_text(config.read_text().replace('recipe = "folder"\n', f'recipe = "folder"\n{backoff}'))
        (monitor.folder / "state").mkdir(mode=0o700)
        known_hosts = "".join(host.known_hosts() for host in self.hosts)
        (monitor.folder / "state/known_hosts").write_text(known_hosts)
        return monitor

    def _ssh(self, key: str = "") -> str:
        return f'[ssh]\nuser = "root"\nconnect_timeout = "{self._connect_timeout}"\n{f"key = {key!r}" if key else ""}\n'
