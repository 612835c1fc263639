"""Files that are read more than once: what a person named, whatever it is, and what was fetched from elsewhere.

I/O. A regular file is read where it is; what comes through a pipe, or over the network, is put aside first, into a file
without a name or into a private cache, so that not all of it is held in memory.
Tests: `tests/files/test_spool.py`.
"""

from __future__ import annotations

import json
import os
import select
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

from plabctl.files.atomic import build_temp_name, remove, sweep, write_all
from plabctl.files.private import PRIVATE_DIR, open_private

_CHUNK = 1024**2
HEADER = 2048
"""So many bytes at the beginning of a cached file say what it is."""
_PURPOSE = "fetched"
_KEPT_S = 30 * 86_400.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def open_temporary() -> int:
    """Open an empty file that is gone when it is closed; return its descriptor."""
    with tempfile.TemporaryFile() as made:
        return os.dup(made.fileno())


def open_rereadable(path: str, most_bytes: int, seconds: float) -> int:
    """Open what is at `path` for `os.pread`; return a descriptor.

    Of what is no regular file, such as the pipe of `<(command)`, at most `most_bytes` are taken. Raise TimeoutError
    when they, or its end, did not come within so many seconds; IsADirectoryError or another OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return os.dup(fd)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(path)
        content = _read_in_time(fd, most_bytes, seconds)
    finally:
        os.close(fd)
    put_aside = open_temporary()
    try:
        write_all(put_aside, content)
    except BaseException:
        os.close(put_aside)
        raise
    return put_aside


def _read_in_time(fd: int, most_bytes: int, seconds: float) -> bytes:
    end = time.monotonic() + seconds
    parts, left = [], most_bytes
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    while left > 0:
        if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError(f"nothing came from it within {round(seconds, 1):g} s")
        part = os.read(fd, min(left, _CHUNK))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def make_reader(fd: int, offset: int = 0) -> Callable[[int], bytes]:
    """Return what reads the file from `offset` on, wherever others are in it; empty at the end."""
    place = offset

    def read(size: int) -> bytes:
        nonlocal place
        data = os.pread(fd, size, place)
        place += len(data)
        return data

    return read


class Cache:
    """What was fetched, by its address, in a directory that is nobody else's; without one nothing is kept."""

    def __init__(self, path: str) -> None:
        self._folder = _open_own_folder(path)

    def find(self, address: str) -> tuple[int, str] | None:
        """Return a descriptor of what was fetched from there, from `HEADER` on, and its tag; None for nothing."""
        if self._folder is None:
            return None
        try:
            fd = open_private(_build_name(address), os.O_RDONLY, dir_fd=self._folder)
        except OSError:
            return None
        try:
            head = json.loads(os.pread(fd, HEADER, 0))
            if head["address"] == address and head["size"] == os.fstat(fd).st_size - HEADER:
                return os.dup(fd), str(head["tag"])
        except (ValueError, TypeError, KeyError, OSError):
            pass
        finally:
            os.close(fd)
        return None

    def fetch(self, address: str, fill: Callable[[Callable[[bytes], object]], str]) -> int:
        """Return a descriptor of what `fill` writes, from `HEADER` on; it is kept under the tag that `fill` returns.

        `fill` is given what writes. What it raises is raised, and nothing is kept then.
        """
        name = build_temp_name(_PURPOSE)
        try:
            # Not by its number: a thread that was given up may still write when that stands for another file.
            with os.fdopen(self._open_new(name), "r+b") as out:
                out.seek(HEADER)
                tag = fill(out.write)
                head = json.dumps({"address": address, "size": out.tell() - HEADER, "tag": tag}).encode()
                if tag and self._folder is not None and len(head) <= HEADER:
                    out.seek(0)
                    out.write(head.ljust(HEADER))
                    out.flush()
                    with suppress(OSError):
                        os.replace(name, _build_name(address), src_dir_fd=self._folder, dst_dir_fd=self._folder)
                out.flush()
                return os.dup(out.fileno())
        finally:
            if self._folder is not None:
                remove(name, dir_fd=self._folder)  # after the replace it is not there any more

    def close(self) -> None:
        """Close the directory, and remove from it what nobody has fetched for long."""
        if self._folder is None:
            return
        sweep(self._folder, _PURPOSE)
        with suppress(OSError):
            for name in os.listdir(self._folder):
                if time.time() - os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime > _KEPT_S:
                    remove(name, dir_fd=self._folder)
        os.close(self._folder)
        self._folder = None

    def _open_new(self, name: str) -> int:
        if self._folder is not None:
            with suppress(OSError):
                return open_private(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, dir_fd=self._folder)
            self._folder = None
        return open_temporary()


def _open_own_folder(path: str) -> int | None:
    """Return the directory, made when it is missing; None when it cannot be used, or when others may write in it."""
    try:
        os.makedirs(path, PRIVATE_DIR, exist_ok=True)
        fd = os.open(path, _FOLDER)
    except OSError:
        return None
    found = os.fstat(fd)
    if found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return fd
    os.close(fd)
    return None


def _build_name(address: str) -> str:
    return blake2b(address.encode(), digest_size=16).hexdigest()
