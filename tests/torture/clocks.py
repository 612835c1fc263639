"""Whole commands on a machine whose clock is wrong: set back, set ahead, never set, in other zones, at other dates.

I/O. libfaketime shifts the clock of a process and of all that it starts by a fixed amount, and leaves its monotonic
clock alone. What happens when the clock is set while ticks run is played by `tests.torture.interleave`; what comes of a
sleep or a boot in mid-tick is in tests/app/test_clocks.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from plabctl.core.model import Node
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.builders import make_member
from tests.lab.fork_server import ROOT, fork_server
from tests.lab.requirements import libfaketime
from tests.manual_clock import ManualClock
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

WINDOW = 2
NAMES = [f"n{number}" for number in range(5)]
LONGEST_S = 120
DAY_S = 86400
_DEADLINE_S = 120.0
STEPS = {"an hour back": -3600, "a day back": -DAY_S, "ten years back": -3652 * DAY_S, "a day ahead": DAY_S}
UNSET = {"1970": -56 * 366 * DAY_S}
ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "right/Europe/Berlin", ":/none", "XYZ-14"]
DATES = [
    -6e10,
    -1e9,
    0.0,
    1.0,
    2.0**31 - 1,
    2.0**31,
    2.0**32,
    4_102_444_800.0,
    253_402_300_799.0,
    253_402_300_800.0,
    1e18,
]
COMMANDS = [
    ("status", "-o", "json"),
    ("status", "-o", "wide"),
    ("show", "n0"),
    ("explain", "n0"),
    ("history",),
    ("check",),
    ("report", "-O", "site"),
    ("tick",),
    ("status", "-o", "tsv"),
]
_CONFIG = f"""
state_dir = "state"
window = {WINDOW}

[pool.good]
kind = "good"
on_fail = "bad"
backoff = {{ kind = "fixed", base = "{LONGEST_S}s", max = "{LONGEST_S}s", jitter = "0s" }}

[pool.bad]
kind = "bad"
on_pass = "good"
backoff = {{ kind = "fixed", base = "{LONGEST_S}s", max = "{LONGEST_S}s", jitter = "0s" }}

[recipe.process]
transport = "local"
setup = {{ run = "echo begin {{node}} >>log; sleep 0.1; echo end {{node}} >>log", timeout = "30s" }}
teardown = {{ run = "true", timeout = "10s" }}
"""


class Site:
    """An installation in a folder of its own, with five nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "plabctl.toml").write_text(_CONFIG.replace(">>log", f">>{folder}/log"))
        self.run("node", "add", *NAMES)

    def run(self, *words: str, shift_s: float = 0, zone: str = "") -> subprocess.CompletedProcess[str]:
        """Run plabctl with its clock shifted and in that zone."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        environ |= {"PLABCTL_CONFIG": f"{self.folder}/plabctl.toml", "PLABCTL_STATE_DIR": f"{self.folder}/unused"}
        environ |= {"TZ": zone} if zone else {}
        if not shift_s:
            return fork_server().run(words, self.folder, environ, None, _DEADLINE_S)
        environ |= {"LD_PRELOAD": libfaketime() or "", "FAKETIME": f"{shift_s:+.0f}", "DONT_FAKE_MONOTONIC": "1"}
        environ |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        command = [sys.executable, "-m", "plabctl", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )

    def status(self, shift_s: float = 0, zone: str = "") -> Any:
        """Return the status as its JSON says it."""
        return json.loads(self.run("status", "-o", "json", shift_s=shift_s, zone=zone).stdout)

    def tested(self) -> tuple[Counter[str], int]:
        """Return how often each node was tested since the last look, and how many at once at most."""
        log = self.folder / "log"
        rows = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        log.write_text("")
        running = most = 0
        for what, _ in rows:
            running += 1 if what == "begin" else -1
            most = max(most, running)
        return Counter(node for what, node in rows if what == "begin"), most


def missing() -> str:
    """Return what is missing here to run this."""
    return "" if libfaketime() else "libfaketime is not installed"


def run(options: TortureOptions) -> list[Finding]:
    """Set the clock in every way, and return what went wrong."""
    steps = STEPS if options.whole else {"a day back": -DAY_S}
    dates = DATES if options.whole else DATES[::10]
    commands = COMMANDS if options.whole else COMMANDS[::3]
    stepped = [fault for what, by in steps.items() for fault in _stepped(options.folder / f"by{by}", what, by)]
    unset = [fault for what, by in UNSET.items() for fault in _unset(options.folder / what, by)]
    given = ZONES if options.whole else ZONES[1:2]
    zones = _zones(options.folder / "zones", given)
    odd = [fault for date in dates for fault in _dated(options.folder / f"date{date}", date, commands)]
    return [
        none_of("nodes that wait too long, are tested twice, or too many at once", stepped, f"{len(steps)} clocks set"),
        none_of("changes made by a clock that was never set", unset, "all commands that change something"),
        none_of("zones that change anything", zones, f"{len(given)} zones"),
        none_of("dates in the state that end a command badly", odd, f"{len(dates) * len(commands)} commands"),
    ]


def _stepped(folder: Path, what: str, by_s: float) -> list[str]:
    site, faults = Site(folder), []
    site.run("tick")
    site.tested()
    for shift_s in (by_s, by_s + LONGEST_S + 10, by_s + 2 * LONGEST_S + 40):
        ran = site.run("tick", shift_s=shift_s)
        counts, most = site.tested()
        status = site.status(shift_s)
        moved = [node["name"] for node in status["nodes"] if node["pool"] != "good"]
        if ran.returncode or ran.stderr or moved:
            faults.append(f"{what}: exit {ran.returncode}, moved {moved}: {ran.stderr}")
        if most > WINDOW or any(count > 1 for count in counts.values()):
            faults.append(f"{what}: {most} at once, {dict(counts)}")
        if shift_s > by_s and len(counts) < len(NAMES):
            faults.append(f"{what}: after the longest wait only {dict(counts)}")
    return faults


def _unset(folder: Path, by_s: float) -> list[str]:
    site, faults = Site(folder), []
    site.run("tick")
    site.tested()
    before = site.status()
    for words in (("tick",), ("tick", "n0"), ("move", "n0", "bad", "--reason", "x"), ("hold", "n0", "--reason", "x")):
        ran = site.run(*words, shift_s=by_s)
        if ran.returncode not in ({0, 75} if words == ("tick",) else {75}) or "Traceback" in ran.stderr:
            faults.append(f"{' '.join(words)}: exit {ran.returncode}: {ran.stderr}")
    if site.tested()[0] or site.status()["rev"] != before["rev"]:
        faults.append("something was tested or changed")
    ran = site.run("tick", shift_s=LONGEST_S + 1)
    if ran.returncode or set(site.tested()[0]) != set(NAMES):
        faults.append(f"when the clock was set, not all went on: exit {ran.returncode}: {ran.stderr}")
    return faults


def _zones(folder: Path, zones: list[str]) -> list[str]:
    site, faults = Site(folder), []
    site.run("tick")
    site.tested()
    before = site.status()
    for zone in zones:
        ran = site.run("tick", zone=zone)
        after = site.status(zone=zone)
        if ran.returncode or site.tested()[0] or after["nodes"] != before["nodes"]:
            faults.append(f"{zone}: exit {ran.returncode}: {ran.stderr}, {after['nodes']}")
    return faults


def _dated(folder: Path, date: float, commands: list[tuple[str, ...]]) -> list[str]:
    """Write a state in which each instant is `date`, and run the commands on it."""
    site, faults = Site(folder), []
    clock = ManualClock(max(date, 1e9))
    state_dir = folder / "odd"
    (folder / "plabctl.toml").write_text((folder / "plabctl.toml").read_text().replace('"state"', '"odd"'))
    with Store(state_dir, clock).session() as state:
        member = make_member("n0", since_at=date, due_at=date, probed_at=date, requested_at=date)
        state.apply(Changes(nodes=(Node("n0", added_at=date),), members=(replace(member, penalty_at=date),)))
    for words in commands:
        ran = site.run(*words)
        is_told = ran.stderr.count("\n") <= 2 and "Traceback" not in ran.stderr and "bug" not in ran.stderr
        if ran.returncode not in {0, 1, 2, 3, 74} or not is_told:
            faults.append(f"{date}: {' '.join(words)}: exit {ran.returncode}: {ran.stderr}")
    return faults
