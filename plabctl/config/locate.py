"""Find the configuration and open it, with everything checked that could make it another file; default locations.

I/O; the environment is an argument. What is decided about the file hangs on one descriptor: who may have written it,
its bytes, and the folder that its relative paths are relative to. Go on with `plabctl.config.load`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from plabctl.errors import ConfigError, Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.values import dataclass

LOCAL_CONFIG = "plabctl.toml"
"""Looked for first, in a directory that may be anybody's."""
SYSTEM_CONFIG = "/etc/plabctl/config.toml"
SYSTEM_STATE = "/var/lib/plabctl"
MAX_BYTES = 1024**2
"""The parser needs a second for so much, however it is written."""


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


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that may be obeyed.

    `given` is how it was named, for messages. `path` is what to call it from anywhere: that name made absolute, or
    where the file really is if somebody else could make the name mean another one. `folder` is the file's real folder.
    `owners` are the user ids of those who could have written it, and whose files it may therefore name.
    """

    given: str
    path: str
    folder: str
    raw: bytes
    owners: frozenset[int]


def read_source(explicit: str | None, environ: Mapping[str, str]) -> ConfigFile:
    """Return the configuration at `explicit`, or the first that the search order finds.

    A configuration says what is run. One that everybody may write is refused, and so is one that is not named but
    merely found unless it and every folder on the way to it belong to root or the current user. Raise ConfigError.
    """
    found = find_config(explicit, environ)
    is_named = bool(explicit or environ.get("PLABCTL_CONFIG"))
    try:
        # Nobody waits for a pipe that somebody put there; one that is named is waited for.
        opened = open_trusted(found, os.O_RDONLY | (0 if is_named else os.O_NONBLOCK), anyone=is_named)
        with open(opened.fd, "rb") as file:
            is_file = stat.S_ISREG(opened.status.st_mode)
            if not is_named and not is_file and not stat.S_ISDIR(opened.status.st_mode):
                raise ConfigError([f"{found}: no regular file"], hint="look who put it there; --config names another")
            raw = file.read(MAX_BYTES + 1)
    except Untrusted as error:
        hint = error.hint or f"if it is to be trusted, name it: --config {found}"
        raise ConfigError([f"{found}: {error}, and the configuration says what is run"], hint=hint) from error
    except OSError as error:
        raise ConfigError([f"{found}: {_explain_error(error)}"], hint="check its path and its permissions") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            [f"{found}: more than {MAX_BYTES // 1024**2} MiB is not a config file"], hint="check its path"
        )
    # The name is kept where it can be: it may be the link by which an administrator switches between versions.
    is_plain = opened.is_ours and ".." not in found.split("/")
    path = os.path.abspath(found) if is_plain else opened.path
    return ConfigFile(found, path, opened.path.rpartition("/")[0] or "/", raw, opened.owners)


def _explain_error(error: OSError) -> str:
    return "is a directory, not a config file" if isinstance(error, IsADirectoryError) else str(error.strerror)
