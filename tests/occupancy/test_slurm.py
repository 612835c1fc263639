"""The occupancy source `slurm`: what squeue prints, and a real Slurm."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.occupancy import OccupancySettings, find_busy
from plabctl.errors import UsageFault
from plabctl.occupancy.base import Row
from plabctl.occupancy.slurm import SlurmOptions, parse_jobs
from tests.app.installation import Installation
from tests.lab.slurm import NODES, Slurm

A, B = NODES[:2]


def test_each_node_of_each_job_is_a_row() -> None:
    text = "7|ada|1795890000|1795893600|n[1-2]\n8_3|bob|1795890000|N/A|n2\n9|eve|?|?|\n"

    assert list(parse_jobs(text)) == [
        Row("job 7", "n1", "job 7 of ada", 1795890000.0, 1795893600.0),
        Row("job 7", "n2", "job 7 of ada", 1795890000.0, 1795893600.0),
        Row("job 8_3", "n2", "job 8_3 of bob", 1795890000.0, None),
    ]


@pytest.mark.parametrize(
    "text", ["hello\n", "7|ada|1|2\n", "x|ada|1|2|n1\n", "7|ada|1|2|n1|more\n", "7|a|1|2|n[\n", "\n"]
)
def test_anything_else_is_not_believed(text: str) -> None:
    with pytest.raises(UsageFault, match="squeue is not understood"):
        list(parse_jobs(text))


@settings(max_examples=40)
@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        rows = list(parse_jobs(text))
    except UsageFault:
        return
    assert all(row.by.startswith("job ") for row in rows)


@pytest.mark.slurm
def test_a_node_with_a_job_is_busy_until_that_is_over(tmp_path: Path, slurm: Slurm) -> None:
    source = OccupancySettings("slurm", "jobs", every_s=0.0, options=SlurmOptions(str(slurm.config)))
    here = Installation(tmp_path, occupancies=(source,))
    here.add(A.upper())
    here.add("pc2", slurm_name=B)
    here.add("pc3", slurm_name=B)  # by mistake
    code = f"touch {tmp_path}/began; until test -e {tmp_path}/over; do sleep 0.1; done"
    job = slurm.submit(code, "-w", f"{A},{B}", "-N2")
    slurm.wait_for((tmp_path / "began").exists)
    here.tick()

    busy = find_busy(here.store.snapshot().notes, here.settings.occupancies, time.time())
    assert set(busy) == {A, "pc2", "pc3"}
    use = busy["pc2"]
    assert use.by == f"job {job} of root"
    assert abs(use.since_at - time.time()) < 60
    assert here.member("pc2").last is here.member("pc3").last is None, "neither is tested"

    (tmp_path / "over").touch()
    slurm.wait_for(lambda: not slurm.job_states())
    here.tick()
    assert here.pools() == {A.upper(): "good", "pc2": "good", "pc3": "good"}
