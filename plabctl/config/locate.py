"""Default locations of the configuration and the state, and what relative paths are relative to.

I/O: asks which files exist and who runs us; the environment is an argument.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from plabctl.errors import ConfigError

LOCAL_CONFIG = "plabctl.toml"
"""Looked for first, in a directory that may be anybody's."""
SYSTEM_CONFIG = "/etc/plabctl/config.toml"
SYSTEM_STATE = "/var/lib/plabctl"


class BaseDir:
    """What relative paths are relative to: the folder of the config file, and the home of `~`."""

    __slots__ = ("folder", "home")

    def __init__(self, folder: str, home: str) -> None:
        self.folder = folder
        self.home = home

    def make_absolute(self, path: str) -> str:
        """Return `path` as an absolute path."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        return os.path.normpath(os.path.join(self.folder, path))


def find_config(explicit: str | None, environ: Mapping[str, str]) -> str:
    """Return the path of the config file to read, as a person would write it.

    A file that was asked for by `explicit` or $PLABCTL_CONFIG must exist; else the first that does is taken. Raise
    ConfigError when there is none.
    """
    asked = explicit or environ.get("PLABCTL_CONFIG")
    places = [asked] if asked else list_config_paths(environ)
    for place in places:
        if os.path.exists(place):
            return place
    if asked:
        by = "" if explicit else " ($PLABCTL_CONFIG)"
        raise ConfigError([f"{asked}: no such config file{by}"], hint="`plabctl init` writes one")
    raise ConfigError(
        [f"no config file: looked for {', '.join(places)}"],
        hint="`plabctl init` writes one here; --config or $PLABCTL_CONFIG name one elsewhere",
    )


def list_config_paths(environ: Mapping[str, str]) -> list[str]:
    """Return where a config file is looked for when none is named, in order."""
    return [LOCAL_CONFIG, f"{_find_xdg_dir(environ, 'XDG_CONFIG_HOME', '.config')}/plabctl/config.toml", SYSTEM_CONFIG]


def find_state_dir(environ: Mapping[str, str]) -> str:
    """Return the state directory of a configuration that names none."""
    named = environ.get("PLABCTL_STATE_DIR")
    if named:
        return os.path.abspath(named)
    if os.geteuid() == 0:
        return SYSTEM_STATE
    return f"{_find_xdg_dir(environ, 'XDG_STATE_HOME', '.local/state')}/plabctl"


def find_home(environ: Mapping[str, str]) -> str:
    """Return the home directory of the user who runs us."""
    return environ.get("HOME") or _find_account_home()


def _find_account_home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def _find_xdg_dir(environ: Mapping[str, str], variable: str, below_home: str) -> str:
    folder = environ.get(variable, "")
    # The specification of these variables says that a relative path in them is to be ignored.
    return folder if folder.startswith("/") else f"{find_home(environ)}/{below_home}"
