from pathlib import Path

import pytest

from tests.torture import liars
from tests.torture.options import TortureOptions


@pytest.mark.sshd
def test_honest_nodes_are_served_among_liars(tmp_path: Path) -> None:
    findings = liars.run(TortureOptions(tmp_path, 1, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
