import os
import stat
from pathlib import Path

import pytest

from plabctl.app import crontab
from plabctl.app.cron_line import CronJob
from plabctl.core.settings import Settings
from plabctl.errors import PlabctlError

JOB = CronJob(("/usr/bin/plabctl",), "/etc/plabctl/config.toml", names_config=False)
FAKE = """\
#!/bin/sh
# A crontab that keeps its table in a file.
case "$1" in
    -l) [ -e "$SPOOL" ] || { echo "no crontab for me" >&2; exit 1; }; exec cat "$SPOOL" ;;
    -r) exec rm "$SPOOL" ;;
    -) exec cat >"$SPOOL" ;;
esac
"""


@pytest.fixture
def spool(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_program(programs / "crontab", FAKE)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


def make_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_installing_twice_is_installing_once(spool: Path) -> None:
    assert crontab.install(JOB) is True
    assert crontab.install(JOB) is False
    assert spool.read_text() == JOB.line + "\n"

    assert crontab.remove(JOB) is True
    assert crontab.remove(JOB) is False
    assert not spool.exists()


def test_the_rest_of_the_crontab_stays_as_it_was(spool: Path) -> None:
    theirs = b"# mine\n\xff\xfe 5 * * *\tbackup # 100\\%\n\n"
    spool.write_bytes(theirs)

    crontab.install(JOB)
    crontab.remove(JOB)

    assert spool.read_bytes() == theirs


def test_a_line_of_somebody_else_is_told(spool: Path) -> None:
    spool.write_text("* * * * * /opt/plabctl tick\n0 1 * * * backup\n")

    assert crontab.list_other_lines(JOB) == ["* * * * * /opt/plabctl tick"]


def test_a_refusal_is_told_in_its_own_words_and_changes_nothing(programs: Path, spool: Path) -> None:
    spool.write_text("0 1 * * * backup\n")
    make_program(programs / "crontab", "#!/bin/sh\necho 'You are not allowed to use this program' >&2\nexit 1\n")

    with pytest.raises(PlabctlError, match="cannot read the crontab: You are not allowed") as caught:
        crontab.install(JOB)

    assert "cron.allow" in caught.value.hint
    assert spool.read_text() == "0 1 * * * backup\n"


def test_without_cron_the_other_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PlabctlError, match="no crontab command") as caught:
        crontab.install(JOB)

    assert "systemd" in caught.value.hint


def test_the_line_has_all_that_cron_would_not_know(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program(programs / "bin" / "plabctl", "#!/bin/sh\n")
    home = tmp_path / "home"
    (home / ".config/plabctl").mkdir(parents=True)
    (home / ".config/plabctl/config.toml").touch()
    monkeypatch.setenv("HOME", str(home))
    environ = {"HOME": str(home), "PLABCTL_STATE_DIR": str(tmp_path / "state")}

    usual = make_settings(str(home / ".config/plabctl/config.toml"), "/var/lib/somewhere")
    assert crontab.build_job(usual, environ, str(program)).argv == (str(program), "tick")

    moved = make_settings(str(tmp_path / "lab.toml"), environ["PLABCTL_STATE_DIR"])
    job = crontab.build_job(moved, environ, str(program))
    assert job.argv == (str(program), "tick", "--config", moved.path)
    assert job.variables == (("PLABCTL_STATE_DIR", moved.state_dir),)

    # Cron starts in the home directory, where this file would be found first.
    (home / "plabctl.toml").touch()
    assert crontab.build_job(usual, environ, str(program)).names_config


def test_the_program_is_found_however_it_was_started(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(programs / "plabctl", "#!/bin/sh\n")
    monkeypatch.chdir(programs)
    assert crontab.find_program("./plabctl") == (str(program),)
    assert crontab.find_program("plabctl") == (str(program),)

    (found,) = crontab.find_program("/usr/lib/python3/site-packages/plabctl/__main__.py")[:1]
    assert os.access(found, os.X_OK)


def make_settings(path: str, state_dir: str) -> Settings:
    return Settings(path=path, state_dir=state_dir, pools={}, recipes={})
