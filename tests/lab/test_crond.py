import subprocess
from pathlib import Path

import pytest

from tests.lab.crond import Cron
from tests.lab.requirements import program
from tests.lab.wait_until import wait_until

pytestmark = pytest.mark.lab


def test_a_minute_of_cron_passes_in_a_second_and_its_mail_is_seen(tmp_path: Path) -> None:
    outside = subprocess.run([program("crontab"), "-l"], capture_output=True, check=False).stdout
    with Cron(tmp_path) as cron:
        assert cron.run([program("crontab"), "-"], text=f"* * * * * echo x >>{tmp_path}/out; echo loud\n").stderr == ""

        cron.start()

        assert wait_until(lambda: (tmp_path / "out").exists() and len((tmp_path / "out").read_text()) >= 6)
        assert wait_until(lambda: len(cron.mails()) >= 3)
        assert cron.mails()[0].endswith("\n\nloud\n")

    assert subprocess.run([program("crontab"), "-l"], capture_output=True, check=False).stdout == outside
