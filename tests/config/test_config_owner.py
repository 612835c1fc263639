"""Who may have written a configuration: it says what is run."""

import os
from pathlib import Path

import pytest

from plabctl.config.load import load
from plabctl.errors import ConfigError
from tests.builders import make_hook
from tests.config.loading import ENVIRON
from tests.lab.second_user import SECOND_USER, as_user

needs_root = pytest.mark.root


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "plabctl.toml"
    path.write_text("window = 3\n")
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("named", [True, False])
def test_one_that_anybody_may_write_is_refused(config: Path, *, named: bool) -> None:
    config.chmod(0o646)

    with pytest.raises(ConfigError, match="any user may write it") as caught:
        load(str(config) if named else None, ENVIRON)

    assert "chmod o-w" in caught.value.hint
    config.chmod(0o664)
    assert load(str(config) if named else None, ENVIRON).window == 3


@needs_root
def test_one_that_a_stranger_put_here_is_taken_only_by_name(config: Path) -> None:
    os.chown(config, SECOND_USER, SECOND_USER)

    with pytest.raises(ConfigError, match="neither you nor root") as caught:
        load(None, ENVIRON)

    assert "--config" in caught.value.hint
    assert load(str(config), ENVIRON).window == 3


def test_a_pipe_that_somebody_put_here_keeps_nobody_waiting(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)

    with pytest.raises(ConfigError, match="no regular file"):
        load(None, ENVIRON)


def test_a_named_one_may_be_a_pipe(config: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"window = 4\n")
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}", ENVIRON).window == 4
    finally:
        os.close(reader)


@pytest.fixture
def ours(yard: Path) -> Path:
    """A configuration of ours that names files beside it."""
    path = yard / "ours/real.toml"
    path.parent.mkdir()
    path.write_text('[ssh]\nkey = "key"\n[[hook]]\non = ["transition"]\ncommand = ["./hook"]\n')
    path.chmod(0o644)
    return path


def theirs(yard: Path) -> Path:
    folder = yard / "theirs"
    folder.mkdir()
    os.chown(folder, SECOND_USER, SECOND_USER)
    return folder


@needs_root
@pytest.mark.parametrize("kind", ["symlink", "hard link", "root's own file"])
def test_a_name_for_our_file_in_a_strangers_folder_is_not_taken(
    yard: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    planted = theirs(yard) / "plabctl.toml"
    if kind == "symlink":
        planted.symlink_to(ours)
    elif kind == "hard link":
        planted.hardlink_to(ours)
    else:
        ours.rename(planted)
    monkeypatch.chdir(planted.parent)

    with pytest.raises(ConfigError, match=f"'{planted.parent}' belongs to user {SECOND_USER}") as caught:
        load(None, ENVIRON)

    assert caught.value.hint == "if it is to be trusted, name it: --config plabctl.toml"


@needs_root
def test_what_a_link_of_a_stranger_names_is_beside_our_file_even_if_it_is_named(
    yard: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = theirs(yard) / "plabctl.toml"
    planted.symlink_to(ours)
    monkeypatch.chdir(planted.parent)

    settings = load("plabctl.toml", ENVIRON)

    assert (settings.origin.folder, settings.ssh.key) == (str(ours.parent), f"{ours.parent}/key")
    assert settings.hooks[0] == make_hook(("transition",), (f"{ours.parent}/hook",))
    assert settings.path == str(ours), "what cron is told is no name that somebody else can turn to another file"
    assert SECOND_USER not in settings.origin.owners


@needs_root
def test_a_hard_link_in_a_strangers_folder_is_not_taken_by_name_either(yard: Path, ours: Path) -> None:
    planted = theirs(yard) / "plabctl.toml"
    planted.hardlink_to(ours)

    with pytest.raises(ConfigError, match="hard link"):
        load(str(planted), ENVIRON)


@needs_root
def test_a_strangers_link_where_everybody_may_put_files_is_not_taken(
    yard: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.chmod(0o1777)
    (yard / "plabctl.toml").symlink_to(ours)
    monkeypatch.chdir(yard)
    assert load(None, ENVIRON).origin.folder == str(ours.parent)

    os.lchown(yard / "plabctl.toml", SECOND_USER, SECOND_USER)
    with pytest.raises(ConfigError, match=r"plabctl\.toml' belongs to"):
        load(None, ENVIRON)


@needs_root
def test_one_below_the_home_of_somebody_else_is_not_taken_unless_it_is_named(yard: Path) -> None:
    home = theirs(yard)
    path = home / ".config/plabctl/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("window = 5\n")

    with pytest.raises(ConfigError, match=f"'{home}' belongs to"):
        load(None, {"HOME": str(home)})
    settings = load(str(path), ENVIRON)
    assert settings.window == 5
    assert SECOND_USER in settings.origin.owners, "who could replace the file is trusted with it"


def test_ones_own_link_keeps_its_name_and_paths_are_beside_the_file(
    yard: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = yard / "etc/plabctl.toml"
    link.parent.mkdir()
    link.symlink_to("../ours/real.toml")
    monkeypatch.chdir(link.parent)

    for named in (None, str(link)):
        settings = load(named, ENVIRON)
        assert settings.path == str(link), "an administrator switches between versions by it"
        assert settings.ssh.key == f"{ours.parent}/key"


def test_paths_are_relative_to_the_file_that_was_read_also_by_way_of_two_dots(yard: Path, ours: Path) -> None:
    (ours.parent / "below").mkdir()
    (yard / "link").symlink_to(ours.parent / "below")
    (yard / "real.toml").write_text("window = 7\n")

    settings = load(f"{yard}/link/../real.toml", ENVIRON)

    assert settings.path == str(ours)
    assert settings.ssh.key == f"{ours.parent}/key"


def test_a_folder_that_everybody_may_write_is_refused_even_by_name(yard: Path, ours: Path) -> None:
    ours.parent.chmod(0o777)

    with pytest.raises(ConfigError, match=f"any user may write in '{ours.parent}'") as caught:
        load(str(ours), ENVIRON)

    assert caught.value.hint == f"run: chmod o-w '{ours.parent}'"


@needs_root
def test_an_ordinary_user_is_as_safe_from_others(yard: Path) -> None:
    own = theirs(yard) / "plabctl.toml"
    own.write_text("window = 6\n")
    other = yard / "other/plabctl.toml"
    other.parent.mkdir()
    os.chown(other.parent, SECOND_USER - 1, SECOND_USER - 1)
    other.symlink_to(own)

    def window_at(folder: Path) -> str:
        def work() -> int:
            os.chdir(folder)
            return load(None, ENVIRON).window

        return as_user(SECOND_USER, work)

    assert window_at(own.parent) == "6"
    assert f"'{other.parent}' belongs to user {SECOND_USER - 1}" in window_at(other.parent)
