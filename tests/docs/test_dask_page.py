"""What docs/dask.md has people type, and what it says of times."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from plabctl.core.claim import GRACE_S
from plabctl.executors.dask.certificates import find_faults
from plabctl.executors.dask.executor import MARGIN_S
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.registry import KEEP_S
from tests.docs.pages import DOCS
from tests.lab.dask_cluster import make_tls_strict

TEXT = (DOCS / "dask.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_its_certificates_are_taken_by_every_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tls_strict(monkeypatch)
    (commands,) = (block for block in BLOCKS if "openssl" in block)
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    names = {path.name.removesuffix("-key.pem") for path in tmp_path.glob("*-key.pem")} - {"dask-ca"}
    assert names == {"monitor", "scheduler", "north"}
    for name in names:
        ca, cert, key = (str(tmp_path / file) for file in ("dask-ca.pem", f"{name}.pem", f"{name}-key.pem"))
        assert list(find_faults(DaskOptions("tls://h:1", ca, cert, key), time.time())) == []


def test_the_scheduler_is_started_as_its_unit_starts_it() -> None:
    (command,) = (block for block in BLOCKS if "dask scheduler" in block)
    unit = (DOCS.parent / "cron/plabctl-scheduler.service").read_text()

    assert f"ExecStart=/usr/bin/{' '.join(command.replace(chr(92), ' ').split())}\n" in unit


def test_its_times_are_those_of_the_program() -> None:
    assert f"within {GRACE_S - MARGIN_S:.0f} s of being claimed" in " ".join(TEXT.split())
    assert KEEP_S == 86400
    assert "kept by the scheduler for a day" in " ".join(TEXT.split())
