"""What the command makes of a demo that ends otherwise than it should."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

from plabctl.cli.main import run
from plabctl.demo import demo_command
from plabctl.errors import Refused


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(28, "no space"), KeyboardInterrupt()], ids=repr)
def test_after_a_crash_the_directory_stays_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def crash(*_args: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(demo_command, "run_demo", crash)

    with pytest.raises(type(error)):
        run(["demo", "--dir", str(tmp_path / "here")])
    assert f"the directory of the demo is kept: {tmp_path}/here" in capsys.readouterr().err
    assert (tmp_path / "here").is_dir()


@pytest.mark.parametrize("error", [Refused("no"), BrokenPipeError()], ids=repr)
def test_what_was_refused_and_a_reader_that_left_leave_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def fail(*_args: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(demo_command, "run_demo", fail)

    with pytest.raises(type(error)):
        run(["demo", "--dir", str(tmp_path / "here")])
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "here").exists()
