import os
from pathlib import Path

import pytest

from tests.torture import hostile
from tests.torture.options import TortureOptions


def test_hostile_outputs_and_names_do_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", os.environ.get("COLUMNS", ""))  # put back afterwards
    findings = hostile.run(TortureOptions(tmp_path, 1, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
