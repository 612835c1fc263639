"""Load the configuration: find the file, read it, and return `Settings` or say every fault in it.

I/O: reads one file and changes nothing. The steps: `locate` finds it, `reading` reads it against `schema`, `crosscheck`
looks at what keys say about each other, `build` makes the settings.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from plabctl.config.base import Base
from plabctl.config.build import build
from plabctl.config.crosscheck import cross_faults
from plabctl.config.locate import HERE, default_state_dir, find_config, home_of
from plabctl.config.plugins import Plugins
from plabctl.config.reading import Fault, read_document
from plabctl.core.recipe import Recipe
from plabctl.core.settings import Settings
from plabctl.errors import ConfigError

_ROOT = 0
MAX_BYTES = 16 * 1024**2
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REWORDED = {
    "Cannot overwrite a value": "a key or table is given twice",
    "maximum recursion depth exceeded": "nested too deeply",
}
_HINT = "correct the file; `plabctl config check` looks at it again"


def load(path: str | None, builtin: Mapping[str, Recipe], environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the config file at `path`, or of the first that the search order finds.

    `builtin` are the recipes that need not be written; one of the file replaces the built-in one of its name whole. A
    plug-in that cannot be used is told in `Settings.plugin_faults`, and the pools that want it are disabled. Raise
    ConfigError with every fault found, each as `FILE: KEY: what is wrong, what is allowed`.
    """
    surroundings = os.environ if environ is None else environ
    found = find_config(path, surroundings)
    raw = read_bytes(found, is_trusted=found != HERE)
    plugins = Plugins(parse(raw, found), builtin)
    values, faults = examine(plugins.document, plugins.recipes)
    if faults:
        raise ConfigError([f"{found}: {where}: {what}" for where, what in faults], hint=_HINT)
    absolute = os.path.abspath(found)  # noqa: PTH100 - pathlib is slow to import
    settings = build(
        values,
        plugins.recipes,
        Base(os.path.dirname(absolute), home_of(surroundings)),  # noqa: PTH120 - pathlib is slow to import
        path=absolute,
        state_dir=default_state_dir(surroundings),
        digest=_digest(raw),
    )
    return plugins.installed(settings)


def examine(document: dict[str, Any], builtin: Mapping[str, Recipe]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values of a parsed document and every fault in it."""
    values, faults = read_document(document)
    broken = {where for where, _ in faults}
    return values, [*faults, *cross_faults(values, builtin, broken)]


def read_bytes(path: str, *, is_trusted: bool = True) -> bytes:
    """Return the bytes of the file; raise ConfigError when it cannot be read or is no config file by its size.

    A configuration says what is run: one that anybody may write is refused; so is, unless it `is_trusted` because
    somebody named it or its place is not everybody's, one that another user put there.
    """
    try:
        # Where everybody may put files, one that is no file must not keep us waiting. A named one may be a pipe.
        flags = os.O_RDONLY | os.O_CLOEXEC | (0 if is_trusted else os.O_NONBLOCK)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            _refuse_planted(path, os.fstat(file.fileno()), is_trusted=is_trusted)
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: {_why(error)}"], hint="check its path and its permissions") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError([f"{path}: more than {MAX_BYTES // 1024**2} MiB is no config file"], hint="check its path")
    return raw


def _refuse_planted(path: str, found: os.stat_result, *, is_trusted: bool) -> None:
    is_file = stat.S_ISREG(found.st_mode)
    if is_file and found.st_mode & stat.S_IWOTH:
        raise ConfigError([f"{path}: any user may write it, and it says what is run"], hint=f"run: chmod o-w {path}")
    if is_trusted or stat.S_ISDIR(found.st_mode):
        return
    if not is_file:
        raise ConfigError([f"{path}: no regular file"], hint="look who put it there; --config names another")
    if found.st_uid not in {_ROOT, os.geteuid()}:
        whose = f"{path}: it belongs to user {found.st_uid}, who is neither you nor root, and it says what is run"
        raise ConfigError([whose], hint=f"if it is to be trusted, name it: --config {path}")


def parse(raw: bytes, path: str) -> dict[str, Any]:
    """Return the document that `raw` holds; raise ConfigError naming the line that is no TOML."""
    import tomllib  # noqa: PLC0415 - costs milliseconds, and importers of this module may only want `read_bytes`

    try:
        return tomllib.loads(raw.removeprefix(_BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: not UTF-8"], hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax_fault(raw, path, str(error))], hint=_HINT) from error


def _syntax_fault(raw: bytes, path: str, message: str) -> str:
    """Return the parser's complaint with the line where people and editors look for it."""
    import re  # noqa: PLC0415 - only a broken file needs it

    what, _, place = message.partition(" (at ")
    what = _REWORDED.get(what, what[:1].lower() + what[1:])
    found = re.match(r"line (\d+), column (\d+)", place)
    if found:
        return f"{path}:{found[1]}: not TOML: {what} (column {found[2]})"
    if not place:
        return f"{path}: not TOML: {what}"
    last_line = raw.rstrip().count(b"\n") + 1
    return f"{path}:{last_line}: not TOML: {what} (at the end)"


def _digest(raw: bytes) -> str:
    """Return what tells an edited file from the same file; no secret and no signature hangs on it."""
    import zlib  # noqa: PLC0415 - beside the one line that needs it

    return f"{len(raw):x}-{zlib.crc32(raw):08x}"


def _why(error: OSError) -> str:
    return "is a directory, not a config file" if isinstance(error, IsADirectoryError) else str(error.strerror)
