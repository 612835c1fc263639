"""Files with secrets are read when nobody else may read them, and what is not used is told in a line."""

import os
from pathlib import Path

import pytest

from plabctl.errors import UsageFault
from plabctl.files.secret_file import MAX_BYTES, read_certificates, read_secret, read_secret_lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "group", "others"),
    [(0o600, 54321, ""), (0o640, 0, ""), (0o640, 54321, "the group 54321"), (0o644, 0, "everybody")],
)
def test_a_secret_is_for_us_root_and_our_group(file: Path, mode: int, group: int, others: str) -> None:
    os.chown(file, -1, group)
    file.chmod(mode)
    if not others:
        assert (read_secret(str(file)), read_secret_lines(str(file))) == ("s3cret", ["s3cret"])
        return
    why = f"not used: {others} may read it; run: chmod 600 '{file}'"
    with pytest.raises(UsageFault) as caught:
        read_secret(str(file))
    assert str(caught.value) == f"{file}: {why}"
    with pytest.raises(ValueError, match=r"^not used") as told:
        read_secret_lines(str(file))
    assert str(told.value) == why, "the caller knows the path"


def test_lines_that_are_empty_or_a_comment_are_left_out(file: Path) -> None:
    file.write_text("# ours\n\n  a://b \nc://d # not a comment\n")
    assert read_secret_lines(str(file)) == ["a://b", "c://d # not a comment"]


def test_what_cannot_be_read_is_told(file: Path) -> None:
    with pytest.raises(UsageFault, match=r"/none: cannot be read: no such file or directory$"):
        read_secret(str(file.parent / "none"))
    with pytest.raises(UsageFault, match=r"not used: it is no regular file|is a directory"):
        read_certificates(str(file.parent))
    file.write_bytes(bytes(MAX_BYTES + 1))
    with pytest.raises(UsageFault, match=f"not used: more than {MAX_BYTES} bytes"):
        read_certificates(str(file))
