"""The benchmarks still run: each part on a handful of nodes. What they say then means nothing and is not looked at."""

import subprocess
import sys

import pytest

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.measure import ROOT
from tests.benchmarks.table import Row, draw


@pytest.mark.sshd
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("benchmarks")
def test_every_part_of_the_benchmarks_runs() -> None:
    argv = [sys.executable, "-m", "tests.benchmarks", "--quick"]

    ran = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not ran.stderr
    _, *parts = ran.stdout.split("\n$ python -m tests.benchmarks ")
    assert [part.split()[0] for part in parts] == [*PARTS]
    assert [part.split()[0] for part in parts if "\nwhat " not in part] == []


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("x", "1 s", "2 s", 0.5, 0.5), "yes"),
        (Row("x", "1 s", "2 s", 0.51, 0.5), "NO"),
        (Row("x", "1 s", "2 s", 2.0, 2.0, at_least=True), "yes"),
        (Row("x", "1 s", "2 s", 1.9, 2.0, at_least=True), "NO"),
        (Row("x", "", "not here", None, 2.0), "not measured"),
        (Row("x", "1 s", "2 s", 0.5), ""),
    ],
)
def test_a_row_says_whether_its_goal_is_met(row: Row, met: str) -> None:
    assert row.cells()[-1] == met
    assert draw([row]).splitlines()[-1].endswith(met)
