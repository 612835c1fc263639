"""Real cron runs the line that `plabctl cron install` wrote: ticks come, and nobody gets mail while all is well."""

import time
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.crond import Cron
from tests.lab.requirements import program
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.lab]

THEIRS = "# mine\n0 5 * * * true # 100\\%\n"


def test_installed_by_the_command_run_by_cron_silent_on_success(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd, Cron(tmp_path / "cron") as cron:
        cron.run([program("crontab"), "-"], text=THEIRS)
        site = Site(tmp_path / "site", inside=cron.inside())
        site.configure(key=sshd.key, user=sshd.user)
        site.add({name: dict(pair.split("=") for pair in sshd.variables()) for name in ("n1", "n2")})
        site.run("trust", "*", "--yes")
        assert "FAIL  cron: no cron daemon is running" in site.run("cron", "check", code=1)

        site.run("cron", "install")
        once = cron.crontab()
        site.run("cron", "install")
        assert cron.crontab() == once
        assert once.startswith(THEIRS)
        assert once.count("plabctl tick --config") == 1
        cron.start()

        assert wait_until(lambda: set(site.pools().values()) == {"good"}, within_s=60)
        beat = site.folder / "state" / "last_tick"
        seen = beat.stat().st_mtime
        assert wait_until(lambda: beat.stat().st_mtime > seen + 2), "ticks go on when nothing is due"
        assert cron.mails() == []
        assert "FAIL" not in site.run("cron", "check")

        site.config.write_text(site.config.read_text() + "\nwidnow = 3\n")
        assert wait_until(lambda: len(cron.mails()) == 1)
        assert "widnow" in cron.mails()[0]
        time.sleep(3)
        assert len(cron.mails()) == 1, "the same trouble is told once"

        site.configure(key=sshd.key, user=sshd.user)
        assert wait_until(lambda: len(cron.mails()) == 2)
        assert "all is well again" in "".join(cron.mails())

        site.run("cron", "remove")
        assert cron.crontab() == THEIRS
