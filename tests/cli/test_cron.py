"""`plabctl cron` as typed: what it prints, how it exits, and what is in the crontab then."""

import shlex
from pathlib import Path

import pytest

from plabctl.cli.entry import main

FAKE = """\
#!/bin/sh
case "$1" in
    -l) [ -e "$SPOOL" ] || { echo "no crontab for me" >&2; exit 1; }; exec cat "$SPOOL" ;;
    -r) exec rm "$SPOOL" ;;
    -) exec cat >"$SPOOL" ;;
esac
"""


@pytest.fixture
def spool(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = programs / "crontab"
    program.write_text(FAKE)
    program.chmod(0o755)
    (tmp_path / "plabctl.toml").write_text('state_dir = "state"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


def test_what_is_printed_is_what_is_installed(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cron", "print"]) == 0
    line = capsys.readouterr().out

    assert main(["cron", "install", "--quiet"]) == 0

    assert capsys.readouterr().out == ""
    assert spool.read_text() == line
    assert f"tick --config {spool.parent}/plabctl.toml" in line


def test_each_change_says_what_was_changed_and_how_to_undo_it(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cron", "install"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("installed in your crontab: * * * * * ")
    assert shlex.split(said.out)[9].startswith("/"), "the whole path, quoted where it has to be"
    assert said.err == "undo: plabctl cron remove\n"

    assert main(["cron", "install"]) == 0
    assert capsys.readouterr().out.startswith("already in your crontab: ")

    assert main(["cron", "remove"]) == 0
    assert capsys.readouterr().out.startswith("removed from your crontab: ")
    assert not spool.exists()

    assert main(["cron", "remove"]) == 0
    assert capsys.readouterr().out.startswith("was not in your crontab: ")


def test_a_line_that_is_there_already_is_pointed_out(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool.write_text("* * * * * /opt/plabctl tick\n")

    assert main(["cron", "install"]) == 0

    assert "there is another line that runs ticks, which stays: * * * * * /opt/plabctl tick" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 64321"), OSError("No username set")])
def test_an_account_without_a_name_is_asked_for_one(
    spool: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nobody() -> str:
        raise error  # OSError from Python 3.13 on

    monkeypatch.setattr("getpass.getuser", nobody)

    assert main(["cron", "print", "--cron-d"]) == 2
    assert "this account has no name" in capsys.readouterr().err
    assert not spool.exists()


def test_a_file_for_cron_d_names_its_user(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cron", "print", "--cron-d", "--user", "plab"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "MAILTO=root"
    words = shlex.split(lines[1])
    assert words[:6] == ["*"] * 5 + ["plab"]
    assert words[6].startswith("/")
    assert not spool.exists()


def test_check_fails_while_nothing_runs_ticks(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not spool.exists()

    assert main(["cron", "check"]) == 1

    assert "warn  ticks: there has been no tick yet" in capsys.readouterr().out
