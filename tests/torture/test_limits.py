from pathlib import Path

import pytest

from tests.torture import limits
from tests.torture.options import TortureOptions


@pytest.mark.lab
@pytest.mark.sshd
def test_too_little_of_anything_blames_no_node_and_loses_nothing(tmp_path: Path) -> None:
    findings = limits.run(TortureOptions(tmp_path, 1, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
