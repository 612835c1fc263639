"""Nodes that print without end, on both streams: cut off at the cap, in bounded memory, and the printing ends.

I/O: a real sshd and a real tick, whose memory is measured.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.e2e.site import Site
from tests.lab.sshd import Sshd, descendants
from tests.lab.wait_until import wait_until
from tests.torture.finding import Finding
from tests.torture.options import TortureOptions

RECIPES = """
[recipe.quiet]
setup = { run = "true", timeout = "20s" }

[recipe.endless]
setup = { run = "cat /dev/zero & tr '\\\\0' '\\\\n' </dev/zero >&2", timeout = "20s" }
teardown = { run = "true", timeout = "5s" }
"""
MORE_KIB = 48 * 1024
"""What the window of nodes that print without end may cost a tick, over one of nodes that print nothing."""


def run(options: TortureOptions) -> list[Finding]:
    """Let a window of nodes print for ever, and return what that cost."""
    count = options.count(20, 2)
    with Sshd(options.folder / "endless", totals=False) as sshd:
        quiet_kib, _, _ = _tick(options.folder / "quiet", sshd, "quiet", count)
        loud_kib, seconds, causes = _tick(options.folder / "loud", sshd, "endless", count)
        is_over = wait_until(lambda: not descendants(sshd.pid), within_s=20.0)
        left = [Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants(sshd.pid)]
    more = loud_kib - quiet_kib
    is_cut = causes == {f"n{number:02d}": "setup" for number in range(count)}
    return [
        Finding(
            f"KiB more that {count} endless printers at once cost a tick", str(more), str(MORE_KIB), more <= MORE_KIB
        ),
        Finding("seconds of that tick", f"{seconds:.1f}", "20", seconds < 20),
        Finding(
            "endless printers that were cut off",
            str(len(causes)),
            f"{count} of {count}",
            is_cut,
            "" if is_cut else str(causes),
        ),
        Finding("processes that print on at the node", str(len(left)), "0", is_over, "".join(left)),
    ]


def _tick(folder: Path, sshd: Sshd, recipe: str, count: int) -> tuple[int, float, dict[str, str]]:
    """Return the most memory of a tick in KiB, its seconds, and why its nodes failed."""
    with Site(folder) as site:
        site.configure(key=sshd.key, user=sshd.user, window=count, recipe=recipe, connect_timeout="10s", more=RECIPES)
        site.add({f"n{number:02d}": dict(pair.split("=") for pair in sshd.variables()) for number in range(count)})
        (folder / "state" / "known_hosts").write_text(sshd.known_hosts())
        began = time.monotonic()
        with (folder / "output").open("wb") as output:
            # By a start of Python: one that is forked has what all commands load.
            tick = subprocess.Popen(site.argv("tick"), cwd=folder, env=site.environ, stdout=output, stderr=output)
        _, status, used = os.wait4(tick.pid, 0)
        seconds = time.monotonic() - began
        tick.returncode = os.waitstatus_to_exitcode(status)
        assert (tick.returncode, site.output()) == (0, "")
        return used.ru_maxrss, seconds, site.causes()
