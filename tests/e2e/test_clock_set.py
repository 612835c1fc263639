"""Real ticks whose clock is set while they test, on a machine that was booted 20 seconds ago and on this one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.requirements import libfaketime, program
from tests.lab.surroundings import uptime_of
from tests.lab.wait_until import wait_until

pytestmark = pytest.mark.lab

BEFORE_2001_S = -40 * 366 * 86400
_CONFIG = """
state_dir = "state"

[pool.good]
kind = "good"
on_fail = "bad"
[pool.bad]
kind = "bad"
on_pass = "good"

[recipe.process]
transport = "local"
setup = {{ run = "touch {folder}/begun; until test -e {folder}/set; do sleep 0.05; done", timeout = "60s" }}
"""


def just_booted() -> list[str]:
    """Return what makes a command see an uptime of 20 s."""
    return [program("unshare"), "--fork", "--kill-child", *uptime_of(20)]


@pytest.mark.parametrize("set_s", [-3600, -86400, BEFORE_2001_S])
@pytest.mark.parametrize("uptime", ["20 s", "as it is"])
def test_a_tick_whose_clock_is_set_back_settles_what_it_found(tmp_path: Path, set_s: int, uptime: str) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    with Site(tmp_path) as site:
        site.inside = just_booted() if uptime == "20 s" else []
        site.config.write_text(_CONFIG.format(folder=tmp_path))
        site.environ |= {
            "LD_PRELOAD": libfaketime() or "",
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        site.run("node", "add", "n1")
        tick = site.start("tick")
        assert wait_until((tmp_path / "begun").exists, within_s=60)
        clock.write_text(f"{set_s:+d}")
        (tmp_path / "set").touch()

        assert tick.wait(timeout=60) == 0, site.output()
        assert site.output() == ""
        clock.write_text("+0")
        assert site.pools() == {"n1": "good"}
        kinds = [event["kind"] for event in site.history()]
        assert "probe" in kinds
        assert not {"void", "late"} & set(kinds)


def test_the_time_namespace_shows_another_uptime() -> None:
    code = "from plabctl.clock import SystemClock; print(SystemClock().uptime())"
    argv = [*just_booted(), sys.executable, "-c", code]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout

    assert 15 <= float(said) < 60
