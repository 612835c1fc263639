"""However many ticks run at once, the server never sees more sessions than the window."""

import time
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.sshd import Sshd

pytestmark = [pytest.mark.sshd, pytest.mark.xdist_group("busy"), pytest.mark.timeout(600)]

WINDOW = 12
NODES = 72
TICKS = 6
# Long enough for a busy machine to begin as many as the window has before the first ends.
RECIPE = """
[recipe.short]
setup = { run = "sleep 0.$(( 3 + $$ % 4 ))" }
check = { run = "true" }
teardown = { run = "true" }
"""


def test_overlapping_ticks_fill_the_window_and_never_exceed_it(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd, Site(tmp_path / "site") as site:
        site.configure(key=sshd.key, user=sshd.user, window=WINDOW, recipe="short", connect_timeout="20s", more=RECIPE)
        where = dict(pair.split("=") for pair in sshd.variables())
        site.add({f"n{number:03d}": where for number in range(NODES)})
        site.run("trust", "n000", "--yes")

        ticks = []
        for _ in range(TICKS):
            ticks.append(site.start("tick"))
            time.sleep(0.5)
        codes = [tick.wait(timeout=180) for tick in ticks]

        assert (codes, site.output()) == ([0] * TICKS, "")
        assert sshd.ledger.most_at_once() == WINDOW
        status = site.status()
        assert status["counts"] == {"good": NODES, "bad": 0}
        assert sshd.ledger.connections() == 2 * NODES, "each node is probed in bad, and at once in good"
        assert status["window"]["in_use"] == 0
