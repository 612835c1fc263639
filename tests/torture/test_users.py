from pathlib import Path

import pytest

from tests.torture import users
from tests.torture.options import TortureOptions


@pytest.mark.skipif(bool(users.missing()), reason=users.missing())
@pytest.mark.timeout(600)
def test_a_second_user_reads_changes_and_leads_astray_nothing_of_ours(tmp_path: Path) -> None:
    broken = [finding for finding in users.run(TortureOptions(tmp_path, seed=1, whole=False)) if not finding.holds]

    assert broken == []
