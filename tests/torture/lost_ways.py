"""Ways between workers and hosts are cut and mended at random while ticks overlap and are killed: nobody moves for it.

I/O, root: hosts with a real sshd and workers, each in a network of its own. Each host is always reached from two of
three sites, as a failure that all of them see, one after the other, would be confirmed. So would one that is seen from
the only site that is not guarded: what moves then is as promised.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from plabctl.core.second_opinion import LOOK_AGAIN_S
from tests.lab import requirements
from tests.lab.dask_cluster import running
from tests.lab.far_sites import FarSites
from tests.lab.fork_server import Process
from tests.lab.hosts import Host
from tests.lab.wait_until import wait_until
from tests.torture.finding import Finding, none_of

SITES = {"north": 3, "south": 3, "west": 3}
HOSTS = 9
WINDOW = 5
CHAOS_S = 90.0


def run(folder: Path, dice: Random) -> list[Finding]:
    """Do it for some minutes, and return what was not as promised."""
    if reason := requirements.for_lab():
        return [Finding("ways between workers and hosts", "not played", reason)]
    folder.mkdir()
    with (
        FarSites(folder, HOSTS, SITES, window=WINDOW, sleep=0.5, every="2s", connect_timeout="3s") as far,
        ExitStack() as ticks,
    ):
        return _Chaos(far, dice, ticks).run()


class _Chaos:
    def __init__(self, far: FarSites, dice: Random, stack: ExitStack) -> None:
        self._far, self._dice, self._stack = far, dice, stack
        self._cuttable = {host.name: list(SITES)[number % len(SITES)] for number, host in enumerate(far.hosts)}
        """From where alone the way to each host is ever lost."""
        self._cut: set[str] = set()
        self._ticks: list[Process] = []
        self._killed = self._cuts = 0

    def run(self) -> list[Finding]:
        far = self._far
        far.add(**{site: [host for host in far.hosts if self._cuttable[host.name] == site] for site in SITES})
        self._begin_tick()
        assert wait_until(self._are_all_good, within_s=60, every_s=1)
        end = time.monotonic() + CHAOS_S
        while time.monotonic() < end:
            self._ticks = [tick for tick in self._ticks if tick.poll() is None]
            if len(self._ticks) < 2:
                self._begin_tick()
            self._dice.choice([self._change_way, self._change_way, self._end_tick])()
            time.sleep(self._dice.uniform(0.3, 2))
        for host in far.hosts:
            if host.name in self._cut:
                self._mend(host)
        end = time.monotonic() + 2 * LOOK_AGAIN_S + 60
        while (left := self._list_ways()) and time.monotonic() < end:
            if all(tick.poll() is not None for tick in self._ticks):
                self._begin_tick()
            time.sleep(2)
        for tick in self._ticks:
            tick.terminate()
            tick.wait()
        far.monitor.run("tick")  # which takes over what they have left
        return self._judge(left)

    def _judge(self, left: list[str]) -> list[Finding]:
        far = self._far
        moves = self._list_moves()
        steps = far.tell_steps() if moves else {}
        moved = [f"{move['node']}: {move['reason']}: {', '.join(steps[move['node']])}" for move in moves]
        told, back = far.monitor.history("path-lost"), far.monitor.history("path-back")
        probes = far.monitor.history("probe")
        of = str(len(probes))
        return [
            Finding("ways cut, ticks ended or killed", f"{self._cuts}, {self._killed}"),
            Finding("tests", of, f"{sum(each['outcome'] == 'fail' for each in probes)} fail"),
            Finding("ways told as lost, and as back", f"{len(told)}, {len(back)}", "some", bool(told and back)),
            none_of("ways that are still lost after all are mended", left, str(HOSTS)),
            none_of("moves while another vantage could be asked", moved, str(HOSTS)),
            none_of("vnodes made twice at the hosts", far.list_twice(), of),
            none_of("vnodes left at the hosts", far.list_left(), of),
            Finding("connections at once", str(far.watch.most), f"at most {WINDOW}", 0 < far.watch.most <= WINDOW),
        ]

    def _list_moves(self) -> list[dict[str, Any]]:
        """Return the moves to bad while there was another vantage to ask."""
        found = []
        guarded: set[str] = set()
        for event in self._far.monitor.history("transition", "guard-on", "guard-off"):
            match event["kind"]:
                case "guard-on" if event["scope"].startswith("vantage "):
                    guarded.add(event["scope"])
                case "guard-off":
                    guarded.discard(event["scope"])
                case "transition" if event["to"] == "bad" and len(guarded) < len(SITES) - 1:
                    found.append(event)
        return found

    def _are_all_good(self) -> bool:
        return all(node["pool"] == "good" for node in self._far.monitor.status())

    def _list_ways(self) -> list[str]:
        return [f"{node['name']}: {node['lost_from']}" for node in self._far.monitor.status() if node.get("lost_from")]

    def _begin_tick(self) -> None:
        self._ticks.append(self._stack.enter_context(running(self._far.monitor.start("tick"))))

    def _end_tick(self) -> None:
        if self._ticks:
            tick = self._dice.choice(self._ticks)
            tick.send_signal(self._dice.choice([signal.SIGKILL, signal.SIGTERM]))
            tick.wait()
            self._killed += 1

    def _change_way(self) -> None:
        host = self._dice.choice(list(self._far.hosts))
        if host.name in self._cut:
            self._mend(host)
        else:
            self._far.outposts[self._cuttable[host.name]].cut(host)
            self._cut.add(host.name)
            self._cuts += 1

    def _mend(self, host: Host) -> None:
        self._far.outposts[self._cuttable[host.name]].mend(host)
        self._cut.discard(host.name)
