from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.config.effective import format_effective, list_effective
from plabctl.core.settings import Settings
from plabctl.errors import ConfigError
from tests.config.loading import ENVIRON, load_text
from tests.config.test_load import FULL


def test_each_value_tells_where_it_was_said(tmp_path: Path) -> None:
    pools = '[pool.good]\nbackoff = { base = "1m" }\n[pool.bad]\n'
    load_text(tmp_path, f'window = 3\n[ssh]\nport = 23\n{pools}[recipe.netns]\nbecome = "sudo"')
    environ = ENVIRON | {"PLABCTL_STATE_DIR": "/srv/state"}

    origins = {item.key: (item.value, item.origin) for item in list_effective(str(tmp_path / "plabctl.toml"), environ)}

    assert origins["window"] == ("3", "plabctl.toml:1")
    assert origins["ssh.port"] == ("23", "plabctl.toml:3")
    assert origins["pool.good.backoff.base"] == ('"1m"', "plabctl.toml:5")
    assert origins["pool.good.backoff.max"] == ('"1h"', "default")
    assert origins["pool.bad.on_pass"] == ('"good"', "default")
    assert origins["state_dir"] == ('"/srv/state"', "$PLABCTL_STATE_DIR")
    assert origins["recipe.process.transport"] == ('"ssh"', "built in")
    assert origins["recipe.netns.become"] == ('"sudo"', "plabctl.toml:8")
    assert origins["recipe.netns.setup.timeout"] == ('"1m"', "built in")
    assert "pool.bad.on_fail" not in origins


def meaning_of(settings: Settings) -> Settings:
    """The settings without what no configuration says: of which text they are, and the words for built-in recipes."""
    recipes = {name: replace(recipe, help="") for name, recipe in settings.recipes.items()}
    return replace(settings, digest="", recipes=recipes)


@pytest.mark.parametrize("text", ["", FULL])
def test_what_is_shown_means_the_same_settings(tmp_path: Path, text: str) -> None:
    before = load_text(tmp_path, text)
    shown = format_effective(list_effective(str(tmp_path / "plabctl.toml"), ENVIRON))

    assert meaning_of(load_text(tmp_path, shown)) == meaning_of(before)


def test_a_faulty_file_is_told_as_when_loading(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_text("windw = 3")

    with pytest.raises(ConfigError, match="did you mean"):
        list_effective(str(path), ENVIRON)
