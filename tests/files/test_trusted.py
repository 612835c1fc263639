"""What is trusted on the way to a file, and what is not: by owners and modes of everything that leads there."""

import os
from pathlib import Path

import pytest

from plabctl.errors import Untrusted
from plabctl.files.trusted import is_inside, open_trusted
from tests.lab import second_user
from tests.lab.second_user import SECOND_USER, as_user

OTHER = 65532
needs_root = pytest.mark.skipif(bool(second_user.missing()), reason=second_user.missing())


def opened(path: Path | str, *owners: int, anyone: bool = False, flags: int = os.O_RDONLY) -> str:
    """Where the file really is."""
    found = open_trusted(str(path), flags, owners=owners, anyone=anyone)
    os.close(found.fd)
    return found.path


def made(path: Path, owner: int = -1, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something\n")
    path.chmod(mode)
    if owner >= 0:
        os.chown(path, owner, owner)
    return path


@pytest.mark.parametrize("way", ["{0}/a/file", "{0}/a/../a/./file", "{0}/link/file", "{0}/to-file", "{0}/relative"])
def test_ones_own_files_are_opened_once_and_known_by_where_they_are(yard: Path, way: str) -> None:
    file = made(yard / "a/file")
    (yard / "link").symlink_to(yard / "a")
    (yard / "to-file").symlink_to("relative")
    (yard / "relative").symlink_to("link/../a/file")

    found = open_trusted(way.format(yard))

    assert found.path == str(file)
    assert found.is_ours
    assert os.read(found.fd, 100) == b"something\n"
    os.close(found.fd)


def test_two_dots_after_a_link_lead_where_the_kernel_goes(yard: Path) -> None:
    made(yard / "there/file")
    (yard / "there/below").mkdir()
    (yard / "link").symlink_to(yard / "there/below")

    assert opened(f"{yard}/link/../file") == str(yard / "there/file")


def test_what_is_missing_or_goes_round_in_circles_fails_as_it_does_elsewhere(yard: Path) -> None:
    (yard / "round").symlink_to("round")
    made(yard / "file")

    with pytest.raises(FileNotFoundError):
        opened(yard / "gone")
    with pytest.raises(OSError, match="levels of symbolic links"):
        opened(yard / "round")
    with pytest.raises(NotADirectoryError):
        opened(yard / "file/below")


def test_where_everybody_may_write_nothing_is_trusted(yard: Path) -> None:
    made(yard / "a/file")
    (yard / "link").symlink_to(yard / "a/file")
    (yard / "a").chmod(0o777)

    for path in (yard / "a/file", yard / "link"):
        with pytest.raises(Untrusted, match=f"any user may write in '{yard}/a'") as caught:
            opened(path, anyone=True)
        assert caught.value.hint == f"run: chmod o-w '{yard}/a'"
    (yard / "a").chmod(0o1777)
    assert opened(yard / "link") == str(yard / "a/file")
    (yard / "a/file").chmod(0o666)
    with pytest.raises(Untrusted, match="any user may write it"):
        opened(yard / "link", anyone=True)


def test_a_group_may_write_where_its_members_were_chosen(yard: Path) -> None:
    made(yard / "a/file", mode=0o664)
    (yard / "a").chmod(0o2775)

    assert opened(yard / "a/file")


@needs_root
@pytest.mark.parametrize("whose", ["the file", "its folder", "a folder above", "the folder of a link"])
def test_a_stranger_on_the_way_is_named(yard: Path, whose: str) -> None:
    file = made(yard / "a/b/file")
    (yard / "links").mkdir()
    (yard / "links/link").symlink_to(file)
    folders = {"its folder": yard / "a/b", "a folder above": yard / "a", "the folder of a link": yard / "links"}
    theirs = {"the file": file, **folders}
    os.chown(theirs[whose], SECOND_USER, SECOND_USER)

    with pytest.raises(Untrusted, match=f"belongs to .*{SECOND_USER}|belongs to 'nobody'"):
        opened(yard / "links/link")
    assert opened(yard / "links/link", SECOND_USER) == str(file)
    assert opened(yard / "links/link", anyone=True) == str(file)


@needs_root
@pytest.mark.parametrize("what", ["link", "folder", "file"])
def test_what_a_stranger_put_where_everybody_may_put_files_is_not_ours(yard: Path, what: str) -> None:
    made(yard / "ours/file")
    (yard / "all").mkdir()
    (yard / "all").chmod(0o1777)
    path = yard / "all/link"
    if what == "link":
        path.symlink_to(yard / "ours/file")
        os.lchown(path, SECOND_USER, SECOND_USER)
    else:
        path = made(yard / ("all/link/file" if what == "folder" else "all/link"))
        os.chown(yard / "all/link", SECOND_USER, SECOND_USER)

    with pytest.raises(Untrusted, match="belongs to"):
        opened(path)


@needs_root
def test_a_directory_asked_for_as_one_is_opened_whoever_owns_it_but_not_through_others(yard: Path) -> None:
    (yard / "a/b").mkdir(parents=True)
    os.chown(yard / "a/b", SECOND_USER, SECOND_USER)

    assert opened(yard / "a/b", flags=os.O_DIRECTORY) == str(yard / "a/b")
    with pytest.raises(Untrusted, match=f"'{yard}/a/b' belongs to"):
        opened(yard / "a/b")
    os.chown(yard / "a", SECOND_USER, SECOND_USER)
    with pytest.raises(Untrusted, match=f"'{yard}/a' belongs to"):
        opened(yard / "a/b", flags=os.O_DIRECTORY)


@needs_root
def test_a_second_name_in_a_strangers_folder_is_refused_even_by_choice(yard: Path) -> None:
    file = made(yard / "ours/file")
    (yard / "theirs").mkdir()
    (yard / "theirs/file").hardlink_to(file)
    os.chown(yard / "theirs", SECOND_USER, SECOND_USER)

    with pytest.raises(Untrusted, match="hard link"):
        opened(yard / "theirs/file", anyone=True)
    assert opened(file) == str(file)


@needs_root
def test_for_an_ordinary_user_the_same_holds_relative_to_that_user(yard: Path) -> None:
    for name, owner in (("own", SECOND_USER), ("other", OTHER), ("root", 0)):
        made(yard / name / "file", owner)
        os.chown(yard / name, owner, owner)
    (yard / "own/link").symlink_to(yard / "root/file")
    (yard / "other/link").symlink_to(yard / "own/file")

    def tried(path: str) -> str:
        return as_user(SECOND_USER, lambda: opened(yard / path))

    assert tried("own/file") == str(yard / "own/file")
    assert tried("root/file") == str(yard / "root/file")
    assert tried("own/link") == str(yard / "root/file")
    assert "belongs to user 65532, who is neither you nor root" in tried("other/file")
    assert f"'{yard}/other' belongs to user 65532" in tried("other/link")


def test_no_descriptor_is_left_open(yard: Path) -> None:
    made(yard / "a/file")
    (yard / "link").symlink_to(yard / "a/file")
    (yard / "a/bad").symlink_to("bad")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for path in ("link", "a/bad", "gone", "a/file/x", "a"):
        try:
            opened(yard / path)
        except OSError:
            continue

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_inside_a_folder_is_seen_through_links(tmp_path: Path) -> None:
    (tmp_path / "state" / "slots").mkdir(parents=True)
    (tmp_path / "state2").mkdir()
    (tmp_path / "link").symlink_to("state")
    inside = ["state", "state/slots", "state/none/deeper", "link", "link/../state/x", "state2/../state"]
    outside = ["state2", ".", "link/../x", "none"]
    for names, is_one in ((inside, True), (outside, False)):
        found = {name: is_inside(f"{tmp_path}/{name}", f"{tmp_path}/link") for name in names}
        assert found == dict.fromkeys(names, is_one)
    assert is_inside(str(tmp_path), "/")
