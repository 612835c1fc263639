"""A tick that is killed in the middle of its probes leaves nothing behind that the next one does not put right."""

import signal
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.sshd]

WINDOW = 4
RECIPE = """
[recipe.folder]
setup = {{ run = "mkdir {folder}/{{vnode}}" }}
check = {{ run = "{check}" }}
teardown = {{ run = "rmdir {folder}/{{vnode}}" }}
"""


def test_the_next_tick_has_the_whole_window_and_clears_the_debris_away(tmp_path: Path) -> None:
    folder = tmp_path / "vnodes"
    folder.mkdir()
    nodes = [f"n{number}" for number in range(WINDOW)]
    with Sshd(tmp_path / "sshd") as sshd, Site(tmp_path / "site") as site:

        def configure(check: str) -> None:
            recipe = RECIPE.format(folder=folder, check=check)
            site.configure(key=sshd.key, user=sshd.user, window=WINDOW, recipe="folder", more=recipe)

        configure("sleep 600")
        site.add({name: dict(pair.split("=") for pair in sshd.variables()) for name in nodes})
        site.run("trust", "*", "--yes")
        tick = site.start("tick")
        assert wait_until(lambda: len(list(folder.iterdir())) == WINDOW), site.output()

        tick.send_signal(signal.SIGKILL)
        tick.wait()
        configure("sleep 1")
        mark = len(sshd.ledger.lines())
        assert site.run("tick") == ""

        assert list(folder.iterdir()) == []
        assert sshd.ledger.most_at_once(since=mark) == WINDOW
        status = site.status()
        assert {node["pool"] for node in status["nodes"].values()} == {"good"}
        # Each passed in bad, moved, and was tested at once in good: no trace of the probe that was killed.
        counters = {(node["ok_streak"], node["fail_streak"], node["penalty"]) for node in status["nodes"].values()}
        assert counters == {(2, 0, 0)}
        assert status["window"]["in_use"] == 0
        kinds = [event["kind"] for event in site.history()]
        assert (kinds.count("void"), kinds.count("probe"), kinds.count("suspect")) == (WINDOW, 2 * WINDOW, 0)
