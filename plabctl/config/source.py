"""The file that a configuration is read from: opened once, with everything checked that could make it another file.

I/O. What is decided about it hangs on one descriptor: who may have written it, its bytes, and the folder that its
relative paths are relative to. Go on with `plabctl.config.load`.
Tests: `tests/config/test_bombs.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one, in every short command.
import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from plabctl.config.locate import find_config
from plabctl.errors import ConfigError, Untrusted
from plabctl.files.trusted import open_trusted

MAX_BYTES = 1024**2
"""The parser needs a second for so much, however it is written."""


class ConfigFile(NamedTuple):
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
