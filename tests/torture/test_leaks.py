import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.sshd import children
from tests.torture import leaks, ticking
from tests.torture.options import TortureOptions


@pytest.mark.sshd
def test_probes_leave_nothing_and_no_stall_costs_more_than_it_may(tmp_path: Path) -> None:
    findings = leaks.run(TortureOptions(tmp_path, 1, whole=False))

    assert [finding for finding in findings if not finding.holds] == []


def test_ticks_leave_no_process(tmp_path: Path) -> None:
    findings = ticking.run(TortureOptions(tmp_path, 1, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
    orphan = subprocess.check_output(["sh", "-c", "sleep 0.3 >&- & echo $!"], text=True)
    assert int(orphan) not in children(os.getpid()), "orphans still come to this process"
