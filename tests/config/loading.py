"""What the tests of the configuration share: stand-ins for the built-in recipes, and loading from a text."""

from pathlib import Path

from plabctl.config.load import load
from plabctl.core.settings import Settings
from plabctl.errors import ConfigError

ENVIRON = {"HOME": "/home/plab"}


def load_text(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    """Load `text` as the config file `plabctl.toml` in `folder`."""
    path = folder / "plabctl.toml"
    path.write_text(text)
    return load(str(path), ENVIRON if environ is None else environ)


def faults_of(folder: Path, text: str) -> list[str]:
    """The faults of `text`, with the path of the file cut down to its name."""
    try:
        load_text(folder, text)
    except ConfigError as error:
        return [fault.replace(f"{folder}/", "") for fault in error.faults]
    return []
