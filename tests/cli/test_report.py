"""The page is written whole, into a directory that is ours, and only what changed is written anew."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.files.locks import try_lock
from plabctl.files.page_folder import MARKER
from tests.cli.console import Desk


@pytest.fixture
def page(used_desk: Desk) -> Path:
    """The directory of a page that was just written."""
    used_desk.ok("report", "-O", "page")
    return used_desk.folder / "page"


def inodes(page: Path) -> dict[str, int]:
    return {str(path.relative_to(page)): path.stat().st_ino for path in page.rglob("*") if path.is_file()}


def test_it_has_all_its_files_and_names_the_first(used_desk: Desk) -> None:
    said = used_desk.run("report", "-O", "page")

    page = used_desk.folder / "page"
    assert said.out == f"{page}/index.html\n"
    assert {name for name in inodes(page) if name != MARKER} == {
        "index.html", "status.json", "feed.atom", "badge/good.svg", "badge/bad.svg", "node/pc1.html", "node/pc2.html",
    }  # fmt: skip
    text = (page / "index.html").read_text()
    assert "exit 2" in text or "bad" in text
    assert 'href="node/pc2.html"' in text


def test_its_status_is_what_the_status_prints_and_what_rank_goes_by(used_desk: Desk, page: Path) -> None:
    used_desk.ok("node", "add", "pc10", "-q")
    used_desk.ok("report", "-O", "page")
    shown = json.loads(used_desk.ok("status", "-o", "json"))

    written = json.loads((page / "status.json").read_text())
    ratios = [row.pop("steadiness_ratio") for row in written["nodes"]]

    assert written.pop("every_seconds") == 300.0
    assert {**written, "generated_at": ""} == {**shown, "generated_at": ""}
    assert all(0.0 <= ratio <= 1.0 for ratio in ratios)


def test_only_pages_of_nodes_that_changed_are_written_anew(used_desk: Desk, page: Path) -> None:
    before = inodes(page)
    used_desk.ok("hold", "pc1", "--reason", "disk", "-q")

    used_desk.ok("report", "-O", "page")

    after = inodes(page)
    same = {name for name in after if after[name] == before[name]}
    assert same == {"node/pc2.html"}
    assert "disk" in (page / "node/pc1.html").read_text()


def test_the_page_of_a_node_that_is_gone_goes_and_files_of_others_stay(used_desk: Desk, page: Path) -> None:
    (page / "node/own.html").write_text("mine")
    (page / "own.html").write_text("mine")
    used_desk.ok("node", "rm", "pc2", "-y")

    used_desk.ok("report", "-O", "page")

    assert {path.name for path in (page / "node").iterdir()} == {"pc1.html", "own.html"}
    assert (page / "own.html").read_text() == "mine"


def test_who_may_look_into_the_directory_may_read_the_files(used_desk: Desk, page: Path) -> None:
    def modes() -> set[int]:
        return {stat.S_IMODE(path.stat().st_mode) for path in page.rglob("*") if path.is_file()}

    assert (stat.S_IMODE(page.stat().st_mode), modes()) == (0o750, {0o640})
    page.chmod(0o755)
    used_desk.ok("report", "-O", "page")
    assert modes() == {0o644}
    assert {stat.S_IMODE((page / part).stat().st_mode) for part in ("node", "badge")} == {0o755}


def make_full(place: Path) -> None:
    place.mkdir()
    (place / "index.html").write_text("mine")


def make_open(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)


def make_link_for_marker(place: Path) -> None:
    make_full(place)
    (place / MARKER).symlink_to(place.parent / "plabctl.toml")


def make_link_for_part(place: Path) -> None:
    place.mkdir()
    (place / MARKER).touch()
    (place / "node").symlink_to(place.parent)


NOT_OURS: dict[str, tuple[Callable[[Path], object], str]] = {
    "full": (make_full, "there are other files in it, such as 'index.html'"),
    "file": (lambda place: place.write_text("mine"), "not a directory\n  hint: name an empty directory"),
    "dangling": (
        lambda place: place.symlink_to("nowhere"),
        "file exists\n  hint: if it is a link to nothing, remove it",
    ),
    "open": (make_open, "everybody may write in it"),
    "marker": (make_link_for_marker, f"'{MARKER}' in it is no regular file"),
    "link": (make_link_for_part, "'node' in it is no directory"),
    "away/place": (lambda _: None, "no such file or directory"),
    "state": (lambda _: None, "it is in the state directory"),
    "state/page": (lambda _: None, "it is in the state directory"),
    "way/page": (lambda place: place.parent.symlink_to("state"), "it is in the state directory"),
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_directory_that_is_not_ours_is_left_as_it_is(used_desk: Desk, name: str) -> None:
    place = used_desk.folder / name
    make, what = NOT_OURS[name]
    make(place)
    before = {path: path.lstat().st_ino for path in used_desk.folder.rglob("*")}

    said = used_desk.run("report", "-O", str(place))

    assert said.code == 1
    assert f"the page in '{place}' cannot be written: {what}" in said.err
    assert {path: path.lstat().st_ino for path in used_desk.folder.rglob("*")} == before


def test_a_link_in_place_of_a_file_of_ours_is_replaced_and_not_followed(used_desk: Desk, page: Path) -> None:
    (page / "index.html").unlink()
    (page / "index.html").symlink_to(used_desk.config)

    used_desk.ok("report", "-O", "page")

    assert "<!doctype html>" in (page / "index.html").read_text()
    assert "doctype" not in used_desk.config.read_text()


def test_a_marker_that_says_nothing_of_use_is_made_anew(used_desk: Desk, page: Path) -> None:
    for content in (b"", b"[" * 100_000, b'{"digest": 1}', b"\xff"):
        (page / MARKER).write_bytes(content)
        used_desk.ok("report", "-O", "page")
        assert json.loads((page / MARKER).read_text())["pages"].keys() == {"pc1.html", "pc2.html"}


def test_it_waits_for_another_that_writes_and_gives_up(
    used_desk: Desk, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plabctl.app.context import open_app
    from plabctl.app.write_page import write_page
    from plabctl.errors import StoreBusy

    fd = os.open(page, os.O_RDONLY)
    try:
        assert try_lock(fd)
        with pytest.raises(StoreBusy, match="is being written by another process"):
            write_page(open_app(str(used_desk.config)), str(page))
    finally:
        os.close(fd)


def test_without_a_directory_it_says_how_to_name_one(used_desk: Desk) -> None:
    said = used_desk.run("report")

    assert said.code == 2
    assert "-O DIR" in said.err
    for name in ("", " ", "a\nb"):
        said = used_desk.run("report", "-O", name)
        assert (said.code, said.out) == (2, "")
        assert said.err == f"plabctl: -O names no directory: {name!r}\n"


def test_a_history_that_cannot_be_read_is_told_on_the_page(used_desk: Desk) -> None:
    for found in (used_desk.folder / "state").glob("history.db*"):
        found.unlink()
    (used_desk.folder / "state/history.db").mkdir()

    used_desk.ok("report", "-O", "page")

    assert "The history cannot be read" in (used_desk.folder / "page/index.html").read_text()
