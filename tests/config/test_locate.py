import os
from pathlib import Path

import pytest

from plabctl.config import locate
from plabctl.config.locate import find_config, find_home, find_state_dir
from plabctl.errors import ConfigError
from tests.config.loading import load_text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locate, "SYSTEM_CONFIG", str(tmp_path / "etc.toml"))
    return tmp_path


def test_places_are_searched_in_order(here: Path) -> None:
    environ = {"HOME": str(here), "XDG_CONFIG_HOME": str(here / "xdg"), "PLABCTL_CONFIG": str(here / "named.toml")}
    unnamed = {name: value for name, value in environ.items() if name != "PLABCTL_CONFIG"}
    (here / "xdg/plabctl").mkdir(parents=True)
    for path in ("flag.toml", "named.toml", "plabctl.toml", "xdg/plabctl/config.toml", "etc.toml"):
        (here / path).touch()

    assert find_config(str(here / "flag.toml"), environ) == str(here / "flag.toml")
    assert find_config(None, environ) == str(here / "named.toml")
    assert find_config(None, unnamed) == "plabctl.toml"
    (here / "plabctl.toml").unlink()
    assert find_config(None, unnamed) == str(here / "xdg/plabctl/config.toml")
    (here / "xdg/plabctl/config.toml").unlink()
    assert find_config(None, unnamed) == str(here / "etc.toml")


def test_without_xdg_the_users_own_config_is_below_home(here: Path) -> None:
    (here / ".config/plabctl").mkdir(parents=True)
    (here / ".config/plabctl/config.toml").touch()

    assert find_config(None, {"HOME": str(here)}) == str(here / ".config/plabctl/config.toml")


@pytest.mark.parametrize("explicit", [True, False])
def test_a_file_that_was_asked_for_must_exist(here: Path, explicit: bool) -> None:
    (here / "plabctl.toml").touch()

    with pytest.raises(ConfigError, match=r"gone\.toml: no such config file") as caught:
        find_config("gone.toml" if explicit else None, {"PLABCTL_CONFIG": "gone.toml"})

    assert caught.value.hint == "`plabctl init` writes one"
    assert ("$PLABCTL_CONFIG" in str(caught.value)) is not explicit


def test_no_file_at_all_says_where_it_looked_and_what_writes_one(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": "/home/plab"})

    places = f"plabctl.toml, /home/plab/.config/plabctl/config.toml, {here}/etc.toml"
    assert str(caught.value) == f"no config file: looked for {places}"
    assert "plabctl init" in caught.value.hint
    assert caught.value.exit_code == 78


def test_the_state_directory_follows_the_file_then_the_environment_then_who_runs_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"HOME": "/home/plab", "PLABCTL_STATE_DIR": "/srv/state"}

    assert load_text(tmp_path, 'state_dir = "~/state"', environ).state_dir == "/home/plab/state"
    assert load_text(tmp_path, "", environ).state_dir == "/srv/state"
    assert load_text(tmp_path, "", environ).ssh.known_hosts == "/srv/state/known_hosts"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_state_dir({"HOME": "/home/plab"}) == "/var/lib/plabctl"
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert find_state_dir({"HOME": "/home/plab"}) == "/home/plab/.local/state/plabctl"
    assert find_state_dir({"HOME": "/h", "XDG_STATE_HOME": "/xdg"}) == "/xdg/plabctl"
    assert find_state_dir({"HOME": "/h", "XDG_STATE_HOME": "relative"}) == "/h/.local/state/plabctl"


def test_a_user_without_an_account_still_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999_999)

    assert find_home({"HOME": "/h"}) == "/h"
    assert find_home({}) == "/"
