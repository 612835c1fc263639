"""A picture is written as SVG, or as PNG where its library is; what cannot be written is refused first."""

import sys
from pathlib import Path

import pytest

from plabctl.errors import PlabctlError, UsageFault
from plabctl.render.drawing_points import Point, draw_points
from plabctl.sim.picture_file import refuse_picture, write_picture

SVG = draw_points([Point("a", 1, 1)], title="t", x_title="x", y_title="y").format_file()


def test_a_png_is_refused_where_its_library_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)

    with pytest.raises(UsageFault, match="needs the Python package resvg-py") as caught:
        refuse_picture(f"{tmp_path}/harm.png")
    assert ".svg" in caught.value.hint
    refuse_picture(f"{tmp_path}/harm.svg")


def test_each_format_is_what_the_name_says(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="PNG needs the package resvg-py, which is optional")

    for name in ("harm.svg", "harm.png"):
        write_picture(f"{tmp_path}/{name}", SVG)
    assert (tmp_path / "harm.svg").read_text() == SVG
    assert (tmp_path / "harm.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "harm.svg").mkdir()

    with pytest.raises(PlabctlError, match=r"harm\.svg' cannot be written: is a directory"):
        write_picture(f"{tmp_path}/harm.svg", SVG)


def test_what_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "harm.svg").mkdir()
    for name, why in (
        ("harm.svg", "cannot be written: is a directory"),
        ("no/harm.svg", "cannot be written: no such directory"),
        ("harm.jpg", "is no name of a picture"),
        ("", "is no name of a picture"),
    ):
        path = f"{tmp_path}/{name}" if name else ""
        with pytest.raises(UsageFault, match=why):
            refuse_picture(path)
