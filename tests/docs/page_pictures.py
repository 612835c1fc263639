"""The pictures of the page, as a real browser shows it, and what tells whether they are of the page as it is.

I/O: runs Chromium, for `make docs`. The testbed that they show is always the same. A picture remembers the words of the
page that it was taken of. Go on with `test_page_pictures`.
"""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import NamedTuple

from plabctl.app.write_page import collect
from plabctl.render.html.pages import Pages
from tests.docs.page_testbed import TODAY, make_context
from tests.docs.pictures import surroundings
from tests.lab import requirements
from tests.lab.chromium import run_chromium


class Shot(NamedTuple):
    """How a picture is taken, in pixels."""

    width: int
    height: int
    dark: bool = False


SHOTS: Mapping[str, Shot] = {"page.png": Shot(1160, 1400), "page-phone.png": Shot(400, 900, dark=True)}
_MARK = b"tEXt"
_KEY = b"plabctl page"
_AGE_S = 40.0


def build_page() -> str:
    """Return the page of the testbed."""
    with tempfile.TemporaryDirectory() as folder, surroundings():
        return Pages(collect(make_context(Path(folder)))).render_index()


def compute_digest(page: str) -> str:
    """Return what changes with the words on the page, but for the version of plabctl."""
    body = re.sub(r"<(style|script|svg)\b.*?</\1>|plabctl [0-9]\S*", " ", page.partition("<body>")[2], flags=re.DOTALL)
    return sha256(" ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split()).encode()).hexdigest()


def read_digest(picture: bytes) -> str:
    """Return the digest of the page that a picture was taken of; empty when it says none."""
    return next(
        (data[len(_KEY) + 1 :].decode() for kind, data in _list_chunks(picture) if kind == _MARK and _KEY in data), ""
    )


def read_size(picture: bytes) -> tuple[int, int]:
    """Return the width and the height of a PNG."""
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def take_pictures(folder: Path) -> None:
    """Take those pictures anew that are not of the page as it is, or are not there; none where there is no browser."""
    page = build_page()
    digest = compute_digest(page)
    paths = {folder / name: shot for name, shot in SHOTS.items()}
    stale = {
        path: shot for path, shot in paths.items() if not path.exists() or read_digest(path.read_bytes()) != digest
    }
    if not stale or requirements.for_chromium():
        return
    with tempfile.TemporaryDirectory() as name, run_chromium() as browser:
        file = Path(name) / "index.html"
        file.write_text(page, encoding="utf-8")
        for path, shot in stale.items():
            with browser.open(file, width=shot.width, height=shot.height, dark=shot.dark, now=TODAY + _AGE_S) as opened:
                path.write_bytes(_add_digest(opened.take_picture(whole=False), digest))


def _add_digest(picture: bytes, digest: str) -> bytes:
    data = _KEY + b"\0" + digest.encode()
    chunk = struct.pack(">I", len(data)) + _MARK + data + struct.pack(">I", zlib.crc32(_MARK + data))
    return picture[:33] + chunk + picture[33:]  # after the signature and the header


def _list_chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 8 <= len(picture):
        (size,) = struct.unpack(">I", picture[place : place + 4])
        yield picture[place + 4 : place + 8], picture[place + 8 : place + 8 + size]
        place += 12 + size
