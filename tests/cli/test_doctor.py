"""`plabctl doctor` as typed: one line for each finding, and the exit code."""

from pathlib import Path

import pytest

from plabctl.cli.entry import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "plabctl.toml").write_text('state_dir = "state"\n[pool.good]\nrecipe = "r"\n[pool.bad]\nrecipe = "r"\n')
    with (tmp_path / "plabctl.toml").open("a") as file:
        file.write('[recipe.r]\ntransport = "local"\ncheck = { run = "true" }\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_installation_has_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok    config: '{folder}/plabctl.toml': 2 pools, 7 recipes"
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}


def test_a_failure_says_what_to_do_and_exits_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "add", "n1", "-q"]) == 0
    (folder / "state" / "state.json").write_bytes(b"")
    capsys.readouterr()

    assert main(["doctor"]) == 1

    assert "state.json' is damaged: it is empty; run `plabctl doctor --restore`" in capsys.readouterr().out


def test_restore_says_what_came_back_and_what_was_set_aside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "add", "n1", "-q"]) == 0
    assert main(["node", "add", "n2", "-q"]) == 0
    path = folder / "state" / "state.json"
    path.write_bytes(path.read_bytes() + b"x")
    capsys.readouterr()

    assert main(["doctor", "--restore"]) == 0

    said = capsys.readouterr().out
    assert "restored the state of 20" in said
    assert f"the damaged file is kept: {folder}/state/state.json.damaged-" in said
    assert main(["doctor"]) == 0
    assert main(["doctor", "--restore"]) == 1


def test_paths_lists_the_state_without_making_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--paths"]) == 0

    assert f"{folder}/state/state.json\tnodes, pools" in capsys.readouterr().out
    assert not (folder / "state").exists()


def test_restore_and_paths_exclude_each_other(folder: Path) -> None:
    assert main(["-c", str(folder / "plabctl.toml"), "doctor", "--restore", "--paths"]) == 2
