"""The figures of the policies, computed anew from all the traces of real machines.

I/O: runs the tests of `FILES`, of which `make test` does only the quick ones. See `tests.sim.traces` for where the
traces are looked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sim.traces import ALL, TRACES
from tests.torture.finding import Finding
from tests.torture.options import TortureOptions

ROOT = Path(__file__).parents[2]
FILES = ("tests/sim/test_published.py", "tests/sim/test_policy_figures.py", "tests/sim/test_second_look.py")
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "auto")


def missing() -> str:
    """Return what keeps this from being run here."""
    return "" if TRACES.is_dir() else f"no availability traces in {TRACES}; see PLABCTL_TRACES"


def run(options: TortureOptions) -> list[Finding]:
    """Run the tests, and say what came of them in the words of pytest."""
    environ = {name: value for name, value in os.environ.items() if name != ALL} | ({ALL: "1"} if options.whole else {})
    done = subprocess.run(
        [sys.executable, *_PYTEST, *FILES], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines() or ["nothing"]
    faults = "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"
    return [Finding("tests of figures", lines[-1], "no failure", done.returncode == 0, faults)]
