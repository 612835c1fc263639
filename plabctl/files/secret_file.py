"""Read the small files that a configuration names for a service: tokens, passwords, URLs, certificates of authorities.

I/O. They must be in the hands of people we trust, and nobody else may read a secret.
Tests: `tests/files/test_secret_file.py`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted

MAX_BYTES = 1024**2
_MAX_SECRET = 4096
_MAX_LINES = 64 * 1024


def read_secret(path: str, owners: Collection[int] = ()) -> str:
    """Return the secret in the file at `path`: its only line. Raise UsageFault when others may read it, or it has none.

    `owners` are the user ids to whom it may belong, besides root and us.
    """
    try:
        text = _read(path, owners, _MAX_SECRET, is_secret=True).strip()
    except ValueError as why:
        raise UsageFault(f"{path}: {why}") from why
    if not text or not text.isascii() or not text.isprintable():
        raise UsageFault(f"{path}: not used: it must have one line, in ASCII, with the secret")
    return text


def read_secret_lines(path: str, owners: Collection[int] = ()) -> list[str]:
    """Return the lines of the file at `path` that are not empty, but for those that begin with `#`.

    Raise ValueError, which says why without the path, when others may read it, or it cannot be used.
    """
    lines = map(str.strip, _read(path, owners, _MAX_LINES, is_secret=True).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def read_certificates(path: str, owners: Collection[int] = ()) -> str:
    """Return the text of the file at `path`, which others may read; raise UsageFault when it cannot be used."""
    try:
        return _read(path, owners, MAX_BYTES, is_secret=False)
    except ValueError as why:
        raise UsageFault(f"{path}: {why}") from why


def find_readers(found: os.stat_result) -> str:
    """Return who else may read a file, in words; root, and who has our own group, count as ourselves."""
    if found.st_mode & stat.S_IROTH:
        return "everybody"
    if found.st_mode & stat.S_IRGRP and found.st_gid not in {0, os.getegid()}:
        return f"the group {found.st_gid}"
    return ""


def _read(path: str, owners: Collection[int], most: int, *, is_secret: bool) -> str:
    try:
        opened = open_trusted(path, owners=owners, file_only=True)
        with open(opened.fd, "rb") as file:
            if is_secret and (others := find_readers(opened.status)):
                raise ValueError(f"not used: {others} may read it; run: chmod 600 '{path}'")
            raw = file.read(most + 1)
    except Untrusted as error:
        raise ValueError(f"not used: {error}") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(raw) > most:
        raise ValueError(f"not used: more than {most} bytes")
    return raw.decode("utf-8", "replace")
