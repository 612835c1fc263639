"""Files that are read twice, and what was fetched."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plabctl.files.spool import HEADER, Cache, make_reader, open_rereadable

HERE, THERE = "http://a.example.org/status.json", "http://b.example.org/status.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "plabctl"


@pytest.fixture
def cache(folder: Path) -> Iterator[Cache]:
    made = Cache(str(folder))
    yield made
    made.close()


def fill(text: bytes, tag: str) -> Callable[[Callable[[bytes], object]], str]:
    def write_all(write: Callable[[bytes], object]) -> str:
        write(text[:3])
        write(text[3:])
        return tag

    return write_all


def fail(write: Callable[[bytes], object]) -> str:
    write(b"half of")
    raise KeyError


def content_of(fd: int, offset: int = HEADER) -> bytes:
    try:
        return make_reader(fd, offset)(1000)
    finally:
        os.close(fd)


def found(cache: Cache, address: str = HERE) -> tuple[bytes, str] | None:
    there = cache.find(address)
    return None if there is None else (content_of(there[0]), there[1])


def test_a_file_is_read_where_it_is_and_a_pipe_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    reading, writing = os.pipe()
    os.write(writing, b"xyz")
    os.close(writing)

    for path, expected in ((str(tmp_path / "file"), b"abc"), (f"/dev/fd/{reading}", b"xyz")):
        fd = open_rereadable(path, 1000, 5.0)
        assert make_reader(fd)(1000) == expected
        assert content_of(fd, 1) == expected[1:], "again, from elsewhere"
    os.close(reading)


def test_what_has_no_end_is_cut() -> None:
    assert content_of(open_rereadable("/dev/zero", 10, 5.0), 0) == bytes(10)


def test_what_was_fetched_is_found_by_its_address_with_its_tag(cache: Cache, folder: Path) -> None:
    assert found(cache) is None
    assert content_of(cache.fetch(HERE, fill(b"first", '"1"'))) == b"first"
    assert found(cache) == (b"first", '"1"')
    assert found(cache, THERE) is None
    cache.fetch(HERE, fill(b"second one", '"2"'))
    assert found(cache) == (b"second one", '"2"')
    assert len(list(folder.iterdir())) == 1
    assert (folder.stat().st_mode & 0o777, next(folder.iterdir()).stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_has_no_tag_or_fails_is_not_kept(cache: Cache, folder: Path) -> None:
    assert content_of(cache.fetch(HERE, fill(b"text", ""))) == b"text"
    with pytest.raises(KeyError):
        cache.fetch(HERE, fail)
    assert content_of(cache.fetch(HERE, fill(b"text", "t" * HEADER))) == b"text"

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "other", "empty", "rubbish"])
def test_what_is_damaged_is_not_believed(cache: Cache, folder: Path, damage: str) -> None:
    cache.fetch(HERE, fill(b"first", '"1"'))
    (path,) = folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(
        {"cut": data[:-1], "other": data.replace(b"a.example", b"c.example"), "empty": b""}.get(damage, b"x")
    )

    assert found(cache) is None


@pytest.mark.parametrize("what", ["open to others", "a file", "a link", "not to be made"])
def test_a_directory_that_is_not_ours_alone_is_not_used(folder: Path, what: str, tmp_path: Path) -> None:
    folder.parent.mkdir()
    match what:
        case "open to others":
            folder.mkdir()
            folder.chmod(0o755)
        case "a file":
            folder.touch()
        case "a link":
            (tmp_path / "other").mkdir(mode=0o700)
            folder.symlink_to(tmp_path / "other")
        case _:
            folder = Path("/proc/self/none/plabctl")
    cache = Cache(str(folder))

    assert content_of(cache.fetch(HERE, fill(b"text", '"1"'))) == b"text"
    assert found(cache) is None
    cache.close()


def test_what_nobody_has_fetched_for_long_goes(cache: Cache, folder: Path) -> None:
    cache.fetch(HERE, fill(b"first", '"1"'))
    cache.fetch(THERE, fill(b"second", '"1"'))
    old = cache.find(HERE)
    assert old is not None
    os.utime(old[0], (0, 0))

    cache.close()

    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("is_open", [False, True], ids=["nobody-writes", "writes-nothing"])
def test_a_pipe_that_says_nothing_is_given_up(tmp_path: Path, *, is_open: bool) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR) if is_open else None
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.2 s"):
            open_rereadable(str(path), 100, 0.2)
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
        assert content_of(open_rereadable(str(path), 100, 10.0), 0) == b"first second"
    finally:
        writer.join(10.0)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_rereadable(str(tmp_path / "none"), 100, 1.0)
    with pytest.raises(IsADirectoryError):
        open_rereadable(str(tmp_path), 100, 1.0)
