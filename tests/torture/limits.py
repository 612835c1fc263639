"""Whole ticks in a process that may have too few descriptors, threads, bytes of memory or bytes in a file.

I/O: a real sshd, and `plabctl tick` as cron runs it. After each tick the state must be readable, no node may have been
blamed, and a tick without limits must find everything that is left to do.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.site import Site
from tests.lab import requirements
from tests.lab.sshd import Sshd
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

missing = requirements.for_lab

WINDOW = 40
SOMEBODY = 64321
"""A user without a name; root is exempt from the limit on processes."""
MB = 1000**2
DEADLY = 100 * MB
"""With less address space than this the interpreter may die inside a library."""
RECIPE = """
[recipe.short]
setup = { run = "sleep 0.1" }
check = { run = "true" }
teardown = { run = "true" }
"""
_KINDS = {
    "descriptors": resource.RLIMIT_NOFILE,
    "memory": resource.RLIMIT_AS,
    "processes": resource.RLIMIT_NPROC,
    "file size": resource.RLIMIT_FSIZE,
}
WHOLE: Mapping[str, tuple[int, ...]] = {
    "descriptors": (8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128),
    "memory": (30 * MB, 60 * MB, 80 * MB, 100 * MB, 120 * MB, 160 * MB, 220 * MB, 300 * MB, 500 * MB, 1000 * MB),
    "processes": (1, 2, 3, 5, 10, 20, 40),
    "file size": (0, 1000, 5000, 10000, 20000, 40000),
}
SHORT: Mapping[str, tuple[int, ...]] = {
    "descriptors": (36,),
    "memory": (240 * MB,),
    "processes": (9,),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A tick under one limit: how it ended, what it made of the nodes, and what a tick without limits made of them."""

    kind: str
    value: int
    code: int
    said: str
    outcomes: Counter[str]
    at_once: int
    later: str
    """What is wrong with the state after the tick without limits; mostly nothing."""

    def __str__(self) -> str:
        found = f"{dict(self.outcomes)}, {self.at_once} at once, exit {self.code}"
        return f"{self.kind} {self.value}: {found} {self.said} {self.later}".rstrip()


def run(options: TortureOptions) -> list[Finding]:
    """Run ticks under all limits and return what became of the nodes."""
    runs = list(_runs(options))
    blamed = [str(each) for each in runs if each.outcomes["fail"]]
    lost = [str(each) for each in runs if each.later]
    unclean = [str(each) for each in runs if not _is_clean(each)]
    small = [each for each in runs if each.kind == "descriptors"]
    crowded = [str(each) for each in small if each.at_once >= WINDOW]
    worked = [each for each in runs if each.outcomes["pass"]]
    return [
        none_of("limits under which a node was blamed", blamed, f"{len(runs)}"),
        none_of("limits under which something was lost, or stayed on a node", lost, f"{len(runs)}"),
        none_of("limits under which the tick did not end with a code of its own", unclean, f"{len(runs)}"),
        none_of("limits on descriptors under which it tried as many probes as ever", crowded, f"{len(small)}"),
        Finding("limits under which nodes were found to be good all the same", str(len(worked)), f"of {len(runs)}"),
    ]


def _is_clean(each: Run) -> bool:
    is_death = each.kind == "memory" and each.value < DEADLY and each.code < 0
    cannot_start = each.code in {1, 127} and (each.value < DEADLY if each.kind == "memory" else each.value < 16)
    return each.code in {0, 74, 75} or is_death or (cannot_start and each.kind in {"memory", "descriptors"})


def _runs(options: TortureOptions) -> Iterator[Run]:
    count = options.count(40, 5)
    with Sshd(options.folder / "sshd") as sshd:
        for kind, values in (WHOLE if options.whole else SHORT).items():
            for value in values:
                with Site(options.folder / f"{kind} {value}") as site:
                    yield _tried(sshd, site, kind, value, count)


def _tried(sshd: Sshd, site: Site, kind: str, value: int, count: int) -> Run:
    key = Path(shutil.copy(sshd.key, site.folder / "key"))
    site.configure(key=key, user=sshd.user, window=WINDOW, recipe="short", connect_timeout="20s", more=RECIPE)
    site.add({f"n{number:02d}": dict(pair.split("=") for pair in sshd.variables()) for number in range(count)})
    (site.folder / "state" / "known_hosts").write_text(sshd.known_hosts())
    seen = len(sshd.ledger.lines())
    as_somebody = _as_somebody(site.folder) if kind == "processes" else []
    done = subprocess.run(
        [*as_somebody, *site.argv("tick")],
        cwd=site.folder,
        env=site.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=240,
        preexec_fn=lambda: resource.setrlimit(_KINDS[kind], (value, value)),
    )
    if as_somebody:
        _give_to(site.folder, os.geteuid())
    at_once = sshd.ledger.most_at_once(since=seen)
    outcomes = Counter(str(event["outcome"]) for event in site.history() if event["kind"] in {"probe", "late"})
    later = _later(site, count)
    return Run(kind, value, done.returncode, (done.stdout + done.stderr)[-500:], outcomes, at_once, later)


def _later(site: Site, count: int) -> str:
    """Tick without limits; return what is wrong then."""
    site.run("retest", "*", "--yes")
    site.run("tick")
    pools = Counter(site.pools().values())
    left = [event["left"] for event in site.history()[-count:] if event.get("left")]
    return "" if pools == {"good": count} and not left else f"afterwards: {dict(pools)}, left on nodes: {left}"


def _as_somebody(folder: Path) -> list[str]:
    """Hand the folder over; return what runs a command as its owner, who may still read the interpreter."""
    _give_to(folder, SOMEBODY)
    for parent in folder.parents:
        if parent.owner() == "root" and parent.stat().st_mode & 0o011 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)  # folders of this test; they are private to root
    rights = "-all,+dac_read_search"
    sets = [f"--{kind}={rights}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    user = ["--reuid", str(SOMEBODY), "--regid", str(SOMEBODY), "--clear-groups"]
    return [requirements.program("setpriv"), *user, *sets]


def _give_to(folder: Path, user: int) -> None:
    subprocess.run(["chown", "-R", f"{user}:{user}", str(folder)], check=True)
