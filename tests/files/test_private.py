"""Files of the state directory are opened as nobody else may have them, and errors of the system are told in words."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.errors import StoreError
from plabctl.files.private import (
    build_store_error,
    open_for_reading,
    open_private,
    open_private_dir,
    refuse_planted_dir,
)
from plabctl.files.trusted import PlantedFile
from plabctl.store.store import Store
from tests.lab.second_user import SECOND_USER
from tests.store.failing_calls import descriptors


def test_an_error_of_the_system_is_told_in_words_with_advice() -> None:
    full = build_store_error("write", "/p", OSError(errno.ENOSPC, "No space left on device"))
    odd = build_store_error("write", "/p", OSError("Something odd"))

    assert (str(full), full.hint) == (
        "cannot write '/p': no space left on device",
        "free some space on that file system; nothing was changed",
    )
    assert (str(odd), odd.hint) == ("cannot write '/p': something odd", "")


@pytest.mark.parametrize(
    ("make", "what"), [(os.mkdir, "a directory"), (os.mkfifo, "no regular file")], ids=["directory", "fifo"]
)
def test_what_is_no_file_is_refused_by_its_name_and_not_left_open(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "planted"
    make(path)
    before = descriptors()

    with pytest.raises(StoreError, match=f"'{path}' is not used: it is {what}") as caught:
        open_for_reading(str(path))
    assert caught.value.hint == "find out who put it there, then remove it"
    if path.is_fifo():
        with pytest.raises(PlantedFile, match="it is no regular file"):
            open_private(str(path), os.O_RDWR)

    assert descriptors() == before


def test_a_file_with_another_name_may_be_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").hardlink_to(tmp_path / "file")

    os.close(open_private(str(tmp_path / "file"), os.O_RDONLY))
    for how in (os.O_WRONLY, os.O_RDWR):
        with pytest.raises(PlantedFile, match="another name as well"):
            open_private(str(tmp_path / "file"), how)


def test_a_directory_where_others_may_write_is_not_left_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    before = descriptors()

    with pytest.raises(StoreError, match="other users may write"):
        open_private_dir(str(tmp_path))

    assert descriptors() == before


@pytest.mark.parametrize("umask", [0o022, 0o777])
def test_a_new_state_directory_is_durable_with_the_way_to_it_and_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    way = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "state"]
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    before, umask_before = descriptors(), os.umask(umask)
    try:
        os.close(open_private_dir(str(way[-1])))
    finally:
        os.umask(umask_before)

    assert synced == [each.parent for each in way]
    assert {stat.S_IMODE(each.stat().st_mode) for each in way} == {0o700}
    assert descriptors() == before


def test_a_file_in_the_place_of_the_state_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(StoreError, match="not a directory") as caught:
        open_private_dir(str(tmp_path / "state"))
    assert caught.value.hint == "set `state_dir` to a directory"


@pytest.fixture
def open_yard(yard: Path) -> Path:
    """A folder where everybody may put files."""
    yard.chmod(0o1777)
    return yard


def open_and_close(path: Path, *owners: int) -> None:
    os.close(open_private_dir(str(path), owners))


def test_a_state_directory_may_be_ones_own_link(open_yard: Path) -> None:
    (open_yard / "real").mkdir(mode=0o700)
    (open_yard / "link").symlink_to("real")

    open_and_close(open_yard / "link")
    open_and_close(open_yard / "link/below")
    assert (open_yard / "real/below").is_dir()


@pytest.mark.root
@pytest.mark.parametrize("below", ["", "/below"])
@pytest.mark.parametrize("kind", ["link", "link above", "folder above"])
def test_a_state_directory_that_a_stranger_leads_to_is_refused(open_yard: Path, kind: str, below: str) -> None:
    (open_yard / "ours/state").mkdir(parents=True, mode=0o700)
    planted = open_yard / "planted"
    if kind == "folder above":
        (planted / "state").mkdir(mode=0o700, parents=True)
    else:
        planted.symlink_to(open_yard / "ours/state" if kind == "link" else open_yard / "ours")
    os.chown(planted, SECOND_USER, SECOND_USER, follow_symlinks=False)
    state = Path(f"{planted}{'' if kind == 'link' else '/state'}{below}")

    with pytest.raises(StoreError, match=f"planted' belongs to user {SECOND_USER}") as caught:
        open_and_close(state)

    assert "state_dir" in caught.value.hint
    assert not (open_yard / "ours/state/below").exists()
    open_and_close(state, SECOND_USER)  # whose configuration a person chose to use


def test_a_state_directory_below_a_folder_that_everybody_may_write_is_refused(open_yard: Path) -> None:
    (open_yard / "open").mkdir()
    (open_yard / "open").chmod(0o777)

    with pytest.raises(StoreError, match=f"any user may write in '{open_yard}/open'"):
        open_and_close(open_yard / "open/state")

    assert not (open_yard / "open/state").exists()


READS: list[Callable[[Store], object]] = [
    Store.head,
    Store.snapshot,
    Store.newest_tick,
    Store.saved_at,
    Store.last_beat,
    Store.previous,
]


@pytest.mark.root
@pytest.mark.parametrize("read", READS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("kind", ["link", "folder above", "folder"])
def test_a_state_that_a_stranger_leads_to_is_not_read_either(
    open_yard: Path, kind: str, read: Callable[[Store], object]
) -> None:
    planted = open_yard / "planted"
    state = planted / "state" if kind == "folder above" else planted
    if kind == "link":
        (open_yard / "theirs").mkdir()
        planted.symlink_to("theirs")
    else:
        state.mkdir(parents=True)
    os.chown(planted, SECOND_USER, SECOND_USER, follow_symlinks=False)

    with pytest.raises(StoreError, match=f"belongs to user {SECOND_USER}"):
        read(Store(state, SystemClock()))

    read(Store(state, SystemClock(), owners=[SECOND_USER]))  # whose configuration a person chose to use


def test_a_state_is_not_read_where_everybody_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(StoreError, match="other users may write") as caught:
        Store(tmp_path, SystemClock()).snapshot()

    assert caught.value.hint == f"run: chmod go-w '{tmp_path}'"


@pytest.mark.root
def test_root_may_look_at_the_state_of_a_user_of_its_own(yard: Path) -> None:
    (yard / "state").mkdir()
    os.chown(yard / "state", SECOND_USER, SECOND_USER)
    before = descriptors()

    refuse_planted_dir(str(yard / "state"))

    assert descriptors() == before
