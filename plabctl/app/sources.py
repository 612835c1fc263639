"""Where a status comes from: a file, the directory of a page, an address, or a configuration on this machine.

I/O. Several sources are opened side by side, each with a deadline, and what is wrong with one is told of that one.
`plabctl.app.fetch_source` asks an address. Go on with `plabctl.app.status_source` for what is in a status, and with
`plabctl.app.monitors` for several as one.
Tests: `tests/app/test_sources.py`.
"""

from __future__ import annotations

import glob
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from plabctl.app.fetch_source import STATS, STATUS, fetch
from plabctl.app.status_source import MAX_BYTES
from plabctl.errors import PlabctlError, StoreError, UsageFault
from plabctl.files.spool import HEADER, Cache, open_rereadable

MAX_SOURCES = 500
READ_S = 5.0
"""Monitoring systems give their plug-ins ten seconds."""
_MAX_PIPED = 64 * 1024**2
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
_GLOB = re.compile(r"[*?\[]")
_NO_STATS = "ticks write it beside a page once an hour (`[report] dir`), and so does: plabctl report --stats"
_HINTS: Mapping[type, str] = {
    FileNotFoundError: "is plabctl to write it? set `[report] status_file`",
    PermissionError: "whoever runs this must be allowed to read it",
}
_OFTEN = frozenset({"config", "index", "plabctl", "status"})
"""Files of these names say nothing by them."""


class Source(NamedTuple):
    """One source of a status, and what its monitor is called."""

    name: str
    place: str
    """A path or an address."""
    is_named: bool = False
    """Whether a person gave the name."""

    @property
    def is_remote(self) -> bool:
        """Whether it is asked over HTTP."""
        return "://" in self.place


class Opened(NamedTuple):
    """What was found at a source: the descriptor of a status, or the configuration of an installation."""

    source: Source
    path: str
    """The file or address that it came from."""
    fd: int = -1
    offset: int = 0
    config: str = ""
    error: StoreError | None = None
    """Why it cannot be read, in place of all that."""

    @property
    def size(self) -> int:
        """How many bytes the status has."""
        return os.fstat(self.fd).st_size if self.fd >= 0 else 0


def parse_sources(words: Iterable[str]) -> list[Source]:
    """Return the sources that `words` name: `SOURCE` or `NAME=SOURCE`, a path with * being all that it matches.

    A monitor without a name is called after the host of its address, or after its file or the directory that this is
    in. Raise UsageFault for what names nothing, and for two monitors of one name.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        given = None if os.path.lexists(word) else _NAME.fullmatch(word)
        name, place = (given[1], given[2]) if given else ("", word)
        found += [(name, each) for each in _expand(place)]
    if len(found) > MAX_SOURCES:
        raise UsageFault(f"{len(found)} sources are too many", hint=f"at most {MAX_SOURCES} are read at once")
    counts = Counter(name or _derive_name(place) for name, place in found)
    sources = []
    for name, place in found:
        if name and counts[name] > 1:
            raise UsageFault(f"two monitors would be called {name!r}", hint="give each another NAME=SOURCE")
        derived = _derive_name(place)
        sources.append(Source(name or (derived if counts[derived] == 1 else place), place, bool(name)))
    if len({source.place for source in sources}) < len(sources):
        raise UsageFault("a source is named twice", hint="each monitor counts once")
    return sources


def make_absolute(word: str) -> str:
    """Return what means the same source from every directory."""
    given = None if os.path.lexists(word) else _NAME.fullmatch(word)
    name, place = (f"{given[1]}=", given[2]) if given else ("", word)
    return f"{name}{place if '://' in place else os.path.abspath(place)}"


def _expand(place: str) -> list[str]:
    if not place:
        raise UsageFault("--from names nothing", hint="give a status file, the directory of a page, or its address")
    if "://" in place:
        _refuse_address(place)
        return [place]
    if not _GLOB.search(place) or os.path.lexists(place):
        return [place]
    if matches := sorted(glob.glob(place)):
        return matches
    raise UsageFault(f"no file matches {place!r}")


def _refuse_address(place: str) -> None:
    """Raise UsageFault for what is no address, or has a password."""
    try:
        parts = urlsplit(place)
        _ = parts.port  # raises for one that is no number, or too large
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and place.isprintable() and " " not in place
    except ValueError:
        is_one = False
    if not is_one:
        raise UsageFault(f"{place!r} is no address", hint="it begins with http:// or https://, and names a host")
    if parts.username is not None or parts.password is not None:
        raise UsageFault("an address with a password is not taken: all users of this machine could see it")


def _derive_name(place: str) -> str:
    if "://" in place:
        return urlsplit(place).hostname or place
    path = os.path.abspath(place)
    stem = os.path.basename(path).partition(".")[0]
    is_named = stem not in _OFTEN and not os.path.isdir(path)
    return (stem if is_named else os.path.basename(path if os.path.isdir(path) else os.path.dirname(path))) or place


def open_sources(sources: Sequence[Source], file: str = STATUS) -> list[Opened]:
    """Open the status of the sources, or their `STATS`, side by side, and return what was found, in their order.

    None takes longer than `READ_S`.
    """
    seconds = READ_S
    end = time.monotonic() + seconds
    found: dict[int, Opened] = {}
    cache = Cache(_find_cache()) if any(source.is_remote for source in sources) else None

    def work(number: int, source: Source) -> None:
        found[number] = _open(source, file, cache, max(0.1, end - time.monotonic()))

    # Daemons: neither the resolver nor a file system that has lost its server knows a deadline.
    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(sources)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end + 0.5 - time.monotonic()))
    if cache:
        with suppress(OSError):
            cache.close()
    late = f"did not answer within {seconds:g} s"
    return [
        found.get(number) or Opened(source, source.place, error=StoreError(f"'{source.place}' {late}"))
        for number, source in enumerate(sources)
    ]


def _open(source: Source, file: str, cache: Cache | None, seconds: float) -> Opened:
    try:
        if file == STATS and (error := _explain_status_alone(source)):
            raise error
        if source.is_remote and cache:
            address, fd = fetch(source.place, file, cache, seconds, hint=_NO_STATS if file == STATS else "")
            return Opened(source, address, fd, HEADER)
        return _open_file(source, file, seconds)
    except StoreError as error:
        return Opened(source, source.place, error=error)
    except OSError as error:
        why = error.strerror or error
        hint = _HINTS.get(type(error), "")
        return Opened(
            source, source.place, error=StoreError(f"cannot read '{error.filename or source.place}': {why}", hint=hint)
        )


def _explain_status_alone(source: Source) -> StoreError | None:
    """Return why the source has no statistics, if its name says so: beside any other file is who knows what."""
    if source.is_remote:
        name = os.path.basename(urlsplit(source.place).path)
        is_alone = name.endswith(".json") and name != STATUS
    else:
        name = os.path.basename(source.place)
        is_alone = name != STATUS and not name.endswith(".toml") and os.path.exists(source.place)
        is_alone = is_alone and not os.path.isdir(source.place)
    if not is_alone:
        return None
    return StoreError(f"'{source.place}' has a status and no past", hint="name its page, or its configuration")


def _open_file(source: Source, file: str, seconds: float) -> Opened:
    path = source.place
    if os.path.isdir(path):
        if not os.path.exists(os.path.join(path, STATUS)):
            return Opened(source, path, config=_find_config(path))
        path = os.path.join(path, file)
    elif path.endswith(".toml"):
        return Opened(source, path, config=path)
    elif file == STATS:
        path = os.path.join(os.path.dirname(path), file)
    if file == STATS and not os.path.lexists(path):
        raise StoreError(f"there is no '{path}'", hint=_NO_STATS)
    fd = open_rereadable(path, _MAX_PIPED, seconds)
    if (size := os.fstat(fd).st_size) > MAX_BYTES:
        os.close(fd)
        raise StoreError(f"'{path}' has {size // 1024**2} MiB: a status of a million nodes has less")
    return Opened(source, path, fd)


def _find_config(folder: str) -> str:
    """Return the configuration of the state directory `folder`; raise StoreError when there is none, or no state."""
    from plabctl.config.load import load
    from plabctl.config.locate import LOCAL_CONFIG, list_config_paths

    if not os.path.exists(os.path.join(folder, "state.json")):
        raise StoreError(
            f"'{folder}' has no {STATUS}", hint="name the directory of a page, which `plabctl report` writes"
        )
    beside = os.path.join(os.path.dirname(os.path.abspath(folder)), LOCAL_CONFIG)
    for path in (beside, *list_config_paths(os.environ)):
        with suppress(PlabctlError, OSError):
            if os.path.samefile(load(path).state_dir, folder):
                return path
    what = f"'{folder}' is a state directory, and which of its pools are good stands in its configuration"
    raise StoreError(what, hint="name that: --from /etc/plabctl/config.toml")


def _find_cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "plabctl")
