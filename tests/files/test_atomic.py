"""A file that is written is the old or the new one, whole; a commit of the state is put to it in test_commit."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from plabctl.files.atomic import Unconfirmed, append_at, append_line, replace_file, sweep, write_new
from plabctl.files.trusted import PlantedFile
from tests.store.failing_calls import at_call, fail


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("by_descriptor", [False, True])
def test_a_file_is_made_or_replaced_for_its_owner_alone(tmp_path: Path, *, by_descriptor: bool) -> None:
    dir_fd = os.open(tmp_path, os.O_RDONLY) if by_descriptor else None
    path = "file" if by_descriptor else str(tmp_path / "file")
    umask = os.umask(0o777)
    try:
        for content in (b"old", b"new"):
            replace_file(path, content, b"er", dir_fd=dir_fd)
    finally:
        os.umask(umask)
        if dir_fd is not None:
            os.close(dir_fd)

    assert (tmp_path / "file").read_bytes() == b"newer"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["file"]


def test_all_is_durable_in_the_right_order(tmp_path: Path) -> None:
    with at_call(0, fail(0), ("write", "fsync", "replace")) as seen:
        replace_file(str(tmp_path / "file"), b"new", before=lambda: seen.append("before"))

    assert seen == ["write", "fsync", "before", "replace", "fsync"]


@pytest.mark.parametrize("call", range(1, 5))
def test_where_anything_fails_the_old_file_is_there_or_the_new_one_unconfirmed(tmp_path: Path, call: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with (
        at_call(call, fail(errno.EIO), ("write", "fsync", "replace")),
        pytest.raises(OSError, match=r"(?i)input.output") as caught,
    ):
        replace_file(str(path), b"new")

    is_last = call == 4
    assert isinstance(caught.value, Unconfirmed) == is_last
    assert path.read_bytes() == (b"new" if is_last else b"old")
    assert names_in(tmp_path) == ["file"]


def test_a_new_file_takes_nobody_elses_place(tmp_path: Path) -> None:
    write_new(str(tmp_path / "file"), b"first", public=True)
    (tmp_path / "link").symlink_to("nowhere")

    for name in ("file", "link"):
        for public in (False, True):
            with pytest.raises(FileExistsError):
                write_new(str(tmp_path / name), b"second", public=public)

    assert (tmp_path / "file").read_bytes() == b"first"
    assert names_in(tmp_path) == ["file", "link"]


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o644), (0o077, 0o600)])
def test_a_public_file_is_for_its_owner_alone_to_write(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_new(str(tmp_path / "file"), b"text", public=True)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_line_is_added_after_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "file"

    append_line(str(path), "one")
    with path.open("ab") as file:
        file.write(b"cut sho")
    append_line(str(path), "two")

    assert path.read_text() == "one\ncut sho\ntwo\n"
    path.with_name("other").hardlink_to(path)
    with pytest.raises(PlantedFile):
        append_line(str(path), "three")


@pytest.mark.parametrize("by_descriptor", [False, True])
def test_what_killed_processes_left_is_removed_after_a_day(tmp_path: Path, *, by_descriptor: bool) -> None:
    for name in ("state.tmp-1-ab", "state.tmp-error-1-ab", "state.tmp-error-2-cd", "state.json"):
        (tmp_path / name).touch()
        if name != "state.tmp-error-2-cd":
            os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    folder = os.open(tmp_path, os.O_RDONLY) if by_descriptor else str(tmp_path)

    sweep(folder, "error")
    assert names_in(tmp_path) == ["state.json", "state.tmp-1-ab", "state.tmp-error-2-cd"]
    sweep(folder)
    assert names_in(tmp_path) == ["state.json", "state.tmp-error-2-cd"]
    if isinstance(folder, int):
        os.close(folder)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_what_cannot_be_appended_is_taken_back(tmp_path: Path, call: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old, and a torn end")

    with at_call(1, fail(errno.ENOSPC), (call,)), pytest.raises(OSError, match="No space") as caught:
        append_at(str(path), 3, b" and new")

    assert not isinstance(caught.value, Unconfirmed)
    assert path.read_bytes() == b"old"
    append_at(str(path), 3, b" and new")
    assert path.read_bytes() == b"old and new"


@pytest.mark.parametrize("failing", [("fdatasync",), ("ftruncate", "fdatasync")])
def test_what_is_neither_confirmed_nor_taken_back_is_unconfirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    real = os.write

    def write_then_fail_at_all(fd: int, data: bytes) -> int:
        for name in failing:
            monkeypatch.setattr(os, name, refuse)
        return real(fd, data)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", write_then_fail_at_all)
    with pytest.raises(Unconfirmed, match="neither what was appended nor that it was taken back"):
        append_at(str(path), 3, b" and new")

    assert path.read_bytes() == (b"old and new" if "ftruncate" in failing else b"old")


def test_nothing_is_appended_to_a_file_with_another_name_or_to_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        append_at(str(tmp_path / "file"), 0, b"new")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    with pytest.raises(PlantedFile):
        append_at(str(tmp_path / "file"), 3, b"new")

    assert (tmp_path / "other").read_bytes() == b"old"
