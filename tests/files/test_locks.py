"""Locks of the kernel: taken, waited for within a bound, and seen by others without being taken."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.errors import StoreError
from plabctl.files.locks import (
    find_flock_holder,
    is_locked,
    is_mirrored,
    is_same_file,
    mirror,
    open_locked,
    poll_lock,
    read_flocks,
    read_holder,
    try_lock,
    unlock,
    write_holder,
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two descriptors of one file, opened apart, as two processes would."""
    path = tmp_path / "lock"
    pair = os.open(path, os.O_RDWR | os.O_CREAT), os.open(path, os.O_RDWR)
    yield pair
    for fd in pair:
        os.close(fd)


def test_only_one_of_two_has_a_lock_until_it_lets_go(pair: tuple[int, int]) -> None:
    first, second = pair

    assert try_lock(first)
    assert (try_lock(second), is_locked(second)) == (False, True)
    unlock(first)
    assert not is_locked(second)
    assert try_lock(first), "to look takes nothing"
    unlock(first)
    assert try_lock(second)


def test_a_lock_is_tried_again_until_the_time_is_over(pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    try_lock(first)

    assert not poll_lock(second, 1.0, 0.25)
    assert pauses == [0.25] * 4

    monkeypatch.setattr(time, "sleep", lambda _: unlock(first))
    assert poll_lock(second, 1.0, 0.25), "it came free in the first pause"


def test_a_file_is_opened_and_locked_in_one_call(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = open_locked(str(path))
    assert first is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_locked(str(path)) is None

    os.close(first)
    second = open_locked(str(path))

    assert second is not None
    os.close(second)
    with pytest.raises(StoreError, match="cannot lock"):
        open_locked(str(tmp_path / "none" / "lock"))


def test_the_holder_can_be_named(pair: tuple[int, int]) -> None:
    first, second = pair

    assert read_holder(second) == "another process"
    os.pwrite(first, b"12345678901234567\nand more", 0)
    write_holder(first)
    assert read_holder(second) == f"process {os.getpid()}"


def test_a_lock_is_seen_through_the_kernel_in_two_ways(pair: tuple[int, int]) -> None:
    first, second = pair

    assert (find_flock_holder(read_flocks(), second), is_mirrored(second)) == (None, False)
    try_lock(first)
    assert find_flock_holder(read_flocks(), second) == os.getpid()
    mirror(first)
    assert is_mirrored(second)


def test_a_file_that_was_deleted_or_replaced_is_not_the_one_that_is_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as file:
        assert is_same_file(file.fileno(), str(path))
        path.rename(tmp_path / "other")
        assert not is_same_file(file.fileno(), str(path))
        path.touch()
        assert not is_same_file(file.fileno(), str(path))
