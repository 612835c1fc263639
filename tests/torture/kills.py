"""Ticks and operators, all at once and killed at random: what was acknowledged is there, and nothing is left over.

I/O: a real sshd on loopback, real processes of plabctl. Go on with `tests.torture.concurrent_runs` and
`tests.torture.history_checks`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from plabctl.clock import SystemClock
from plabctl.history.database import History
from plabctl.store.documents import Snapshot
from plabctl.store.store import Store
from tests.e2e.site import Site
from tests.lab import requirements
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until
from tests.torture.concurrent_runs import ConcurrentRuns
from tests.torture.finding import Finding, none_of
from tests.torture.history_checks import gaps, lost, reordered, strayed
from tests.torture.options import TortureOptions

WINDOW, NODES = 6, 16
_LONGEST_S, _SHORT_S = 540.0, 120.0
_ROUNDS = 4
_ENDS = {0, 1, 75, -9}
"""Done, refused, busy, killed."""
RECIPES = """
[recipe.folder]
setup = {{ run = "mkdir {place}/{{vnode}} && sleep 0.1", timeout = "10s" }}
check = {{ run = "test -d {place}/{{vnode}}", timeout = "10s" }}
teardown = {{ run = "test ! -d {place}/{{vnode}} || rmdir {place}/{{vnode}}", timeout = "10s" }}
[recipe.nothing]
transport = "local"
setup = {{ run = "true", timeout = "10s" }}
teardown = {{ run = "true", timeout = "10s" }}
[experiment]
recipe = "folder"
retry = {{ kind = "fixed", base = "1s", jitter = "0s" }}
"""


def missing() -> str:
    """Return what keeps this from being run here."""
    return requirements.for_sshd()


def run(options: TortureOptions) -> list[Finding]:
    """Let them rage, let it grow quiet, and look at what is left."""
    place = options.folder / "vnodes"
    place.mkdir()
    nodes = [f"n{number:02d}" for number in range(NODES)]
    with Sshd(options.folder / "sshd") as sshd, Site(options.folder / "site") as site:

        def configure(every: str) -> None:
            site.configure(
                key=sshd.key, user=sshd.user, window=WINDOW, recipe="folder", connect_timeout="20s", every=every,
                more=RECIPES.format(place=place),
            )  # fmt: skip

        configure("2s")
        site.add({name: dict(pair.split("=") for pair in sshd.variables()) for name in nodes})
        site.run("trust", nodes[0], "--yes")
        begin_rev = Store(site.folder / "state", SystemClock()).snapshot().rev
        crowd = ConcurrentRuns(site, sshd, options.dice(), nodes, options.folder / "notes")
        longest_s = _LONGEST_S if options.whole else _SHORT_S
        crowd.rage(options.count(1000, 30), time.monotonic() + longest_s)
        raged_rev = Store(site.folder / "state", SystemClock()).snapshot().rev
        configure("1h")
        mark = len(sshd.ledger.lines())
        _quieten(site, place)
        return [
            *_findings(crowd, begin_rev, raged_rev),
            _at_most_window("connections at the sshd at once while it lasts", crowd.most_connections),
            _at_most_window("the same in the quiet ticks at the end", sshd.ledger.most_at_once(since=mark)),
            none_of("vnodes left on nodes", [each.name for each in place.iterdir()], str(sshd.ledger.connections())),
        ]  # fmt: skip


def _at_most_window(what: str, most: int) -> Finding:
    return Finding(what, str(most), f"at most {WINDOW}", most <= WINDOW)


def _quieten(site: Site, place: Path) -> None:
    """Swap everything out, and let ticks test every node, until nothing is left to do."""
    for experiment in _state(site).experiments.values():
        if experiment.leaving_at is None:
            site.run("experiment", "swapout", experiment.name)
    for _ in range(_ROUNDS):
        site.run("retest", "*", "--yes")
        site.run("tick")
        state = _state(site)
        if not (list(place.iterdir()) or state.claims or state.experiments):
            break
        time.sleep(1.0)
    wait_until(lambda: not list(place.iterdir()), within_s=60)


def _state(site: Site) -> Snapshot:
    return Store(site.folder / "state", SystemClock()).snapshot()


def _findings(crowd: ConcurrentRuns, begin_rev: int, raged_rev: int) -> Sequence[Finding]:
    site = crowd.site
    state = _state(site)
    with History(site.folder / "state") as history:
        events = [record.event for record in history.read()]
    orders = [each for each in crowd.ended if each.argv[0] != "tick"]
    killed = {each.who for each in crowd.ended if each.code == -9}
    acknowledged = [each for each in orders if each.code == 0]
    strange = [f"{each.who} {each.argv}: {each.code}" for each in crowd.ended if each.code not in _ENDS]
    notes = crowd.notes.read_text().splitlines()
    revs = {who: int(rev) for word, who, rev in map(str.split, reversed(notes)) if word == "made"}
    shifted = [_shifted(line, -begin_rev) for line in notes]
    pools = {member.node: member.pool for member in state.members()}
    ids = [event.id for event in events]
    ticks = len(killed) - sum(each.who in killed for each in orders)
    torn = sum(line.startswith("about") for line in notes) - sum(line.startswith("made") for line in notes)
    left = [*state.claims, *state.experiments, *(event.id for event in state.outbox)]
    return [
        Finding(f"killed at random: {ticks} ticks, {len(killed) - ticks} operators", str(len(killed))),
        Finding("of them in the middle of a commit", str(torn)),
        Finding("commits", str(raged_rev - begin_rev)),
        Finding("orders acknowledged", str(len(acknowledged))),
        none_of("orders lost or done twice, or done though refused", list(lost(orders, events)), str(len(orders))),
        none_of("gaps in the count of commits", list(gaps(shifted, killed, raged_rev - begin_rev)), str(len(notes))),
        none_of("orders committed before an earlier one", list(reordered(orders, revs)), str(len(acknowledged))),
        none_of("nodes not where the history leads to", list(strayed(events, "bad", pools)), str(len(pools))),
        none_of("events told twice", [each for each, count in Counter(ids).items() if count > 1], str(len(ids))),
        none_of("processes that failed", strange, str(len(crowd.ended))),
        none_of("claims, experiments and untold events at the end", left, str(len(events))),
    ]


def _shifted(line: str, by: int) -> str:
    word, who, rev = line.split()
    return f"{word} {who} {int(rev) + by}"
