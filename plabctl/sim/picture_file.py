"""The picture of a simulation in a file: SVG, or PNG where the library that makes pixels is installed.

I/O.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from plabctl.errors import PlabctlError, UsageFault

_FORMATS = (".svg", ".png")


def refuse_picture(path: str | None) -> None:
    """Raise UsageFault for a picture that could not be written, before anything runs; None is no picture."""
    if path is None:
        return
    if Path(path).suffix not in _FORMATS:
        raise UsageFault(f"'{path}' is no name of a picture", hint=f"it must end in {' or '.join(_FORMATS)}")
    if not Path(path).absolute().parent.is_dir():
        raise UsageFault(f"'{path}' cannot be written: no such directory", hint="make it first")
    if Path(path).is_dir():
        raise UsageFault(f"'{path}' cannot be written: is a directory", hint="name a file")
    if Path(path).suffix == ".png":
        _load_pixel_library()


def write_picture(path: str, picture: str) -> None:
    """Write the SVG `picture` to a file of the format that its name says; raise PlabctlError."""
    try:
        Path(path).write_bytes(draw_png(picture) if path.endswith(".png") else picture.encode())
    except OSError as error:
        raise PlabctlError(f"'{path}' cannot be written: {(error.strerror or str(error)).lower()}") from error


def draw_png(picture: str) -> bytes:
    """Return the SVG `picture` as PNG; raise UsageFault where the library for that is not installed."""
    pixels: bytes = bytes(_load_pixel_library().svg_to_bytes(svg_string=picture, zoom=2))
    return pixels


def _load_pixel_library() -> Any:
    try:
        return import_module("resvg_py")
    except ImportError as error:
        raise UsageFault(
            "a PNG needs the Python package resvg-py, which is not installed",
            hint="name the file .svg, which needs no package",
        ) from error
