from pathlib import Path

import pytest

from tests.torture import day
from tests.torture.options import TortureOptions

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_no_minute_of_cron_is_missed_and_no_mail_is_sent_but_for_a_reason(tmp_path: Path) -> None:
    broken = [finding for finding in day.run(TortureOptions(tmp_path, seed=1, whole=False)) if not finding.holds]

    assert broken == []
