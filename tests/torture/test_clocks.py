"""Clocks that are wrong, a few of them."""

from pathlib import Path

import pytest

from tests.torture import clocks
from tests.torture.finding import draw
from tests.torture.options import TortureOptions


@pytest.mark.skipif(bool(clocks.missing()), reason=clocks.missing() or "all is here")
def test_a_wrong_clock_costs_no_node_its_tests_nor_its_place(tmp_path: Path) -> None:
    findings = clocks.run(TortureOptions(tmp_path, seed=1, whole=False))

    assert all(finding.holds for finding in findings), draw(findings)
