"""The folder of the demo: empty and ours when it begins, gone when it ends."""

from pathlib import Path

import pytest

from plabctl.demo.folder import prepare_folder
from plabctl.errors import Refused
from tests.cli.console import Desk


def test_a_directory_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")

    with pytest.raises(Refused, match="not empty"):
        prepare_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_directory_that_was_made_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / "new")
    (folder.path / "below").mkdir(mode=0o700)
    (folder.path / "below/file").write_text("x")

    assert folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_to_stay_stays(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / "new")
    for name in ("page", "state"):
        (folder.path / name).mkdir()

    assert folder.remove(but="page")
    assert [path.name for path in folder.path.iterdir()] == ["page"]


def test_a_directory_that_was_there_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    (tmp_path / "empty").mkdir()
    folder = prepare_folder(tmp_path / "empty")
    (folder.path / "below").mkdir()
    (folder.path / "below/file").write_text("x")
    (folder.path / "link").symlink_to(tmp_path)

    assert folder.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "outside"]
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/demo", "/dev/null/demo"])
def test_a_directory_that_cannot_be_is_refused_in_words(tmp_path: Path, place: str) -> None:
    done = Desk(tmp_path).run("demo", "--dir", place)

    assert done.code == 1
    assert f"the demo cannot be put up: '{place}': " in done.err
