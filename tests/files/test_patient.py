"""Whatever a person names is read, and nothing is waited for without an end."""

import os
import threading
import time
from pathlib import Path

import pytest

from plabctl.files.patient import read_in_time


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)

    assert read_in_time(str(path), 4_000_000, 5.0) == b"x" * 3_000_000
    assert read_in_time(str(path), 10, 5.0) == b"x" * 10
    assert read_in_time("/dev/zero", 10, 5.0) == bytes(10)


@pytest.mark.parametrize("is_open", [False, True], ids=["nobody-writes", "writes-nothing"])
def test_a_pipe_that_says_nothing_is_given_up(tmp_path: Path, *, is_open: bool) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR) if is_open else None
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.2 s"):
            read_in_time(str(path), 100, 0.2)
    finally:
        if keeper is not None:
            os.close(keeper)
    assert 0.2 <= time.monotonic() - began < 5.0


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as pipe:
            pipe.write(b"first ")
            pipe.flush()
            time.sleep(0.05)
            pipe.write(b"second")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_in_time(str(path), 100, 10.0) == b"first second"
    finally:
        writer.join(10.0)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_in_time(str(tmp_path / "none"), 100, 1.0)
    with pytest.raises(IsADirectoryError):
        read_in_time(str(tmp_path), 100, 1.0)
