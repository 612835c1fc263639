"""What lies in `cron/` is what cron and systemd accept, and what the README says of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from plabctl.app.cron_line import CronJob, has_unescaped_percent, is_tick_line

FOLDER = Path(__file__).parents[1] / "cron"


def test_the_cron_file_is_what_the_program_prints() -> None:
    text = (FOLDER / "plabctl.cron").read_text()
    settings = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))

    assert settings == CronJob(("/usr/bin/plabctl",), "/etc/plabctl/config.toml", names_config=False).file("plab")
    assert [line for line in text.splitlines() if is_tick_line(line) and has_unescaped_percent(line)] == []


def test_the_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text()

    assert [path.name for path in FOLDER.iterdir() if path.name != "README.md" and path.name not in readme] == []


def test_the_ten_timers_fire_once_a_minute() -> None:
    text = (FOLDER / "plabctl@.timer").read_text()
    assert "OnCalendar=*:%i/10\n" in text

    minutes = sorted(minute for lane in range(10) for minute in range(lane, 60, 10))

    assert minutes == list(range(60))
    assert "plabctl@{0..9}.timer" in (FOLDER / "README.md").read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for lane in ("0", "9"):
        service = (FOLDER / "plabctl@.service").read_text().replace("/usr/bin/plabctl", "/bin/true")
        (tmp_path / f"plabctl@{lane}.service").write_text(service.replace("User=plab\n", ""))
        shutil.copy(FOLDER / "plabctl@.timer", tmp_path / f"plabctl@{lane}.timer")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(path) for path in tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, [line for line in done.stderr.splitlines() if "plabctl@" in line]) == (0, [])
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "*:7/10"], capture_output=True, text=True, check=False, timeout=60
    )
    assert "*-*-* *:07/10:00" in shown.stdout
