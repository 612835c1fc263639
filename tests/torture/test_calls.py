"""Killed or failed at any call on the state directory, a command leaves the state old or new, and tells the truth."""

from pathlib import Path

import pytest

from tests.torture import calls
from tests.torture.options import TortureOptions

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.mark.skipif(bool(calls.missing()), reason=calls.missing())
def test_some_calls_of_some_commands(tmp_path: Path) -> None:
    findings = calls.run(TortureOptions(tmp_path, seed=4, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
    assert int(findings[1].figure) >= 30, "so many points were tried"
