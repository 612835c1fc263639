"""Load the configuration: find the file, read it, and return `Settings` or report every error in it.

I/O: reads one file and changes nothing. The steps: `locate` finds it and opens it if it is trusted,
`read_document` reads it against `schema`, `cross_check` checks keys against each other, `build` makes the settings.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping

from plabctl.config.build import build_settings
from plabctl.config.cross_check import check_across_keys
from plabctl.config.locate import BaseDir, ConfigFile, find_home, find_state_dir, read_source
from plabctl.config.plain_toml import read_plain
from plabctl.config.read_document import MAX_FAULTS, Fault, read_document
from plabctl.core.settings import Origin, Settings
from plabctl.errors import InvalidConfig
from plabctl.typed import Any
from plabctl.values import replace

MAX_KEY_PARTS = 100
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REWORDED = {
    "Cannot overwrite a value": "a key or table is given twice",
    "maximum recursion depth exceeded": "nested too deeply",
}
_HINT = "correct the file, and check it again with: plabctl config check"


def load(path: str | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the config file at `path`, or of the first that the search order finds.

    A plug-in that cannot be used is told in `Settings.plugin_faults`, and the pools that want it are disabled. Raise
    ConfigError with every fault found, each as `FILE: KEY: what is wrong, what is allowed`.
    """
    surroundings = os.environ if environ is None else environ
    return build_from_source(read_source(path, surroundings), surroundings)


def build_from_source(source: ConfigFile, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a configuration file that was read; raise ConfigError as `load` does."""
    base = BaseDir(source.folder, find_home(environ))
    values, faults = examine(parse(source.raw, source.given), base)
    if faults:
        told = [f"{source.given}: {where}: {what}" for where, what in faults[:MAX_FAULTS]]
        more = len(faults) - MAX_FAULTS
        raise InvalidConfig([*told, f"... and {more} more"] if more > 0 else told, hint=_HINT)
    settings = build_settings(
        values,
        base,
        path=source.path,
        state_dir=find_state_dir(environ),
        digest=_compute_digest(source.raw),
    )
    settings = replace(settings, origin=Origin(source.folder, source.owners))
    for pool in settings.pools.values():
        pool.kind.prepare(pool, settings)
    return settings


def examine(document: dict[str, Any], base: BaseDir) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values of a parsed document and every fault in it; relative paths in it are relative to `base`."""
    values, faults = read_document(document)
    broken = {where for where, _ in faults}
    return values, [*faults, *check_across_keys(values, broken, base)]


def parse(raw: bytes, path: str) -> dict[str, Any]:
    """Return the document that `raw` holds; raise ConfigError naming the line that is no TOML."""
    try:
        text = raw.removeprefix(_BYTE_ORDER_MARK).decode()
        _refuse_long_keys(text, path)
        document = read_plain(text)
        return _read_all_of_toml(text) if document is None else document
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidConfig([f"{path}:{line}: not UTF-8"], hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig([_describe_syntax_error(raw, path, str(error))], hint=_HINT) from error


def _read_all_of_toml(text: str) -> dict[str, Any]:
    # Imported here: most files need no more than what is quicker to read.
    import tomllib

    return tomllib.loads(text)


def _refuse_long_keys(text: str, path: str) -> None:
    """Raise ConfigError for a dotted key of very many parts, on which the parser's time grows with their square."""
    if text.count(".") < MAX_KEY_PARTS:
        return
    part = r"""(?:(?<![\w-])[\w-]++|(?<!\\)"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+"""
    for found in re.finditer(rf"(?:{part}\.[ \t]*+)+", text, re.ASCII):
        if found[0].count(".") >= MAX_KEY_PARTS and len(re.findall(part, found[0], re.ASCII)) >= MAX_KEY_PARTS:
            line = text.count("\n", 0, found.start()) + 1
            raise InvalidConfig([f"{path}:{line}: a key of more than {MAX_KEY_PARTS} parts is no key"], hint=_HINT)


def _describe_syntax_error(raw: bytes, path: str, message: str) -> str:
    """Return the parser's complaint with the line where people and editors look for it."""
    what, _, place = message.partition(" (at ")
    what = _REWORDED.get(what, what[:1].lower() + what[1:])
    found = re.match(r"line (\d+), column (\d+)", place)
    if found:
        return f"{path}:{found[1]}: not TOML: {what} (column {found[2]})"
    if not place:
        return f"{path}: not TOML: {what}"
    last_line = raw.rstrip().count(b"\n") + 1
    return f"{path}:{last_line}: not TOML: {what} (at the end)"


def _compute_digest(raw: bytes) -> str:
    """Return what tells an edited file from the same file; no secret and no signature hangs on it."""
    return f"{len(raw):x}-{zlib.crc32(raw):08x}"
