"""Read the small files that a configuration names for a server: a token, a password, certificates of authorities.

I/O. They must be in the hands of people we trust, and nobody else may read a secret.
Tests: `tests/inventories/test_netbox.py`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted

MAX_BYTES = 1024**2
_MAX_SECRET = 4096


def read_secret(path: str, owners: Collection[int] = ()) -> str:
    """Return the secret in the file at `path`: its only line. Raise UsageFault when others may read it, or it has none.

    `owners` are the user ids to whom it may belong, besides root and us.
    """
    text = _read(path, owners, _MAX_SECRET, is_secret=True).strip()
    if not text or not text.isascii() or not text.isprintable():
        raise UsageFault(f"{path}: not used: it must have one line, in ASCII, with the secret")
    return text


def read_certificates(path: str, owners: Collection[int] = ()) -> str:
    """Return the text of the file at `path`, which others may read; raise UsageFault when it cannot be used."""
    return _read(path, owners, MAX_BYTES, is_secret=False)


def _read(path: str, owners: Collection[int], most: int, *, is_secret: bool) -> str:
    try:
        opened = open_trusted(path, owners=owners, file_only=True)
        with open(opened.fd, "rb") as file:
            raw = file.read(most + 1)
    except Untrusted as error:
        raise UsageFault(f"{path}: not used: {error}") from error
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if is_secret and opened.status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageFault(f"{path}: not used: others may read it, run: chmod 600 {os.path.basename(path)}")
    if len(raw) > most:
        raise UsageFault(f"{path}: not used: more than {most} bytes")
    return raw.decode("utf-8", "replace")
