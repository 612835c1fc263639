"""A tick writes the page when it is due, after all else and within a deadline; what goes wrong stops nothing."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from plabctl.app import due_page, invocation
from plabctl.app.background import Background
from plabctl.app.context import App, open_app
from plabctl.app.due_page import NOTE_NAME, is_page_due, write_due_page
from plabctl.errors import PageFault
from plabctl.files.locks import try_lock
from plabctl.files.page_folder import MARKER
from plabctl.store.lock_report import read_lock_report
from tests.cli.console import CONFIG, Desk

REPORT = '\n[report]\ndir = "page"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with a page, whose node was tested."""
    desk = Desk(tmp_path)
    desk.config.write_text(CONFIG + REPORT)
    desk.ok("node", "add", "pc1", "-q")
    return desk


@pytest.fixture
def app(desk: Desk) -> App:
    return open_app(str(desk.config))


def find_inode(desk: Desk) -> int:
    return (desk.folder / "page/index.html").stat().st_ino


def test_it_is_written_when_something_changed_and_else_now_and_then(desk: Desk, app: App) -> None:
    desk.ok("tick")
    first = find_inode(desk)
    assert "passed" in (desk.folder / "page/index.html").read_text()
    desk.ok("tick")
    assert find_inode(desk) == first, "nothing changed"
    desk.ok("hold", "pc1", "--reason", "disk", "-q")
    put_back(app, 30.0)
    desk.ok("tick")
    second = find_inode(desk)
    assert second != first
    put_back(app, 299.0)
    assert not is_page_due(app)
    put_back(app, 2.0)
    desk.ok("tick")
    assert find_inode(desk) != second, "nothing changed for `every`"
    assert {path.name for path in (desk.folder / "state").iterdir()} >= {NOTE_NAME}


def put_back(app: App, seconds: float, **fields: float) -> None:
    """Let the page have been written so much earlier."""
    path = app.state_dir / NOTE_NAME
    folder, at, rev, took = json.loads(path.read_text())
    path.write_text(json.dumps([folder, at - seconds, fields.get("rev", rev), fields.get("took", took)]))


def test_doctor_says_when_it_was_written(desk: Desk) -> None:
    assert "page: no tick has written it into" in desk.run("doctor").out
    desk.ok("tick")
    assert f"ok    page: '{desk.folder}/page' was written " in desk.run("doctor").out


def test_it_takes_a_tenth_of_the_time_at_most(desk: Desk, app: App) -> None:
    desk.ok("tick")
    put_back(app, 100.0, rev=0, took=11.0)

    assert not is_page_due(app)
    put_back(app, 11.0)
    assert is_page_due(app)


@pytest.mark.parametrize("note", ["", "[]", "[" * 100_000, '["page", 1, 2]', '["page", "x", 1, 1]'])
def test_a_note_that_says_nothing_of_use_makes_it_due(desk: Desk, app: App, note: str) -> None:
    desk.ok("tick")
    (app.state_dir / NOTE_NAME).write_text(note)

    assert is_page_due(app)


def test_a_clock_that_was_set_back_makes_it_due(desk: Desk, app: App) -> None:
    desk.ok("tick")
    put_back(app, -3600.0)

    assert is_page_due(app)


def test_it_is_written_without_a_lock_or_a_slot(desk: Desk, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def look(app: App) -> None:
        report = read_lock_report(str(app.state_dir), app.clock.uptime())
        seen.append((report.held_slots, report.locks, report.ticks, len(app.store.snapshot().claims)))
        seen.append(next(iter(app.store.snapshot().members())).last is not None)

    monkeypatch.setattr(due_page, "write_due_page", look)
    invocation.tick(str(desk.config), Background(may_outlive=False))

    assert seen == [(frozenset(), (), (), 0), True]


@pytest.fixture
def slow_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_page, "_CODE", "import time; time.sleep(60)  # {path} {config}")
    monkeypatch.setattr(due_page, "DEADLINE_S", 0.2)


@pytest.mark.usefixtures("slow_child")
def test_it_has_a_deadline(app: App) -> None:
    began = time.monotonic()

    with pytest.raises(PageFault, match=r"the page in '.*/page' cannot be written: did not end within 0\.2 s"):
        write_due_page(app)

    assert time.monotonic() - began < 10


def test_what_goes_wrong_is_told_and_over_when_it_is_mended(desk: Desk) -> None:
    page = desk.folder / "page"
    page.mkdir()
    (page / "thesis.tex").write_text("mine")

    tick = desk.run("tick")

    assert tick.code == 1
    what = f"the page in '{page}' cannot be written: there are other files in it, such as 'thesis.tex'"
    assert what in tick.err
    assert json.loads(desk.ok("status", "pc1", "-o", "json"))["nodes"][0]["last"]["outcome"] == "pass", "it was tested"
    assert what in desk.run("check").out
    assert what in desk.run("doctor").out
    assert [(each["kind"], each["severity"]) for each in json.loads(desk.ok("status", "-o", "json"))["problems"]] == [
        ("page", "warning")
    ]
    assert [path.name for path in page.iterdir()] == ["thesis.tex"]
    (page / "thesis.tex").unlink()
    assert "over" in desk.run("tick").err
    assert desk.ok("check").startswith("PLABCTL OK - ")


@pytest.mark.root
def test_a_full_disk_leaves_the_page_that_was_there(desk: Desk, app: App) -> None:
    page = desk.folder / "page"
    page.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k,mode=0750", "tmpfs", page], check=True)
    try:
        desk.ok("tick")
        before = (page / "index.html").read_text()
        (page / "filler").write_bytes(bytes(os.statvfs(page).f_bavail * os.statvfs(page).f_frsize))
        put_back(app, 1000.0)

        tick = desk.run("tick")

        assert "cannot be written: no space left on device" in tick.err
        assert "free some space on that file system" in tick.err
        assert (page / "index.html").read_text() == before
        (page / "filler").unlink()
        desk.run("tick")
        assert (page / "index.html").read_text() != before
    finally:
        subprocess.run(["umount", page], check=True)


def test_one_that_is_being_written_is_left_to_the_other(desk: Desk, app: App) -> None:
    desk.ok("tick")
    put_back(app, 1000.0)
    fd = os.open(desk.folder / "page", os.O_RDONLY)
    try:
        assert try_lock(fd)
        desk.ok("tick")
        os.utime(desk.folder / "page" / MARKER, (1, 1))
        with pytest.raises(PageFault, match="another process has been writing it for too long"):
            write_due_page(app)
    finally:
        os.close(fd)


def test_the_page_tells_that_ticks_fail(desk: Desk, app: App) -> None:
    desk.ok("tick")
    put_back(app, 1000.0)
    for found in (desk.folder / "state").glob("history.db*"):
        found.unlink()
    (desk.folder / "state/history.db").mkdir()
    desk.ok("retest", "pc1", "-q")

    assert desk.run("tick").code == 74

    assert "ticks fail: " in (desk.folder / "page/index.html").read_text()


def test_a_tick_that_is_ended_writes_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "_tick", lambda *_: 143)

    assert invocation.tick(str(desk.config), Background(may_outlive=False)) == 143
    assert not (desk.folder / "page").exists()
