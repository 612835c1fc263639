"""The occupancy source `command`: a command prints which nodes are busy.

I/O: runs the command. It prints names, one a line, or JSON: a list of names, or an object of `{by, since, until}` by
name. Whatever else it prints is not believed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from plabctl.core.keys.lister_keys import LISTER_KEYS
from plabctl.core.keys.path_types import Argv
from plabctl.core.keys.table import Key, Table
from plabctl.errors import UsageFault
from plabctl.occupancy.base import OccupancyKind, Row
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import Origin

_SHAPE = 'write {"by": "...", "since": "...", "until": "..."}'
_LATEST_AT = 253402300799.0
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What only an occupancy source of this kind can be told."""

    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""


class CommandKind(OccupancyKind):
    """Busy nodes that a command prints."""

    name = "command"
    help = "names, one a line, or JSON by name with `by`, `since` and `until`, printed by a command"
    keys = Table(
        "occupancy.command",
        CommandOptions(),
        Key(
            "command",
            Argv(),
            text="The command, run without a shell. Nodes that it does not print are free.",
            example='["busy-nodes", "--json"]',
            required=True,
        ),
        *LISTER_KEYS,
    )

    def identify(self, options: CommandOptions) -> str:
        """Return the command line, with no secret that the command is given."""
        from plabctl.masks import mask_secrets

        return mask_secrets(" ".join(options.command))

    def suggest_name(self, options: CommandOptions) -> str:
        """Return the name of the program."""
        return os.path.basename(options.command[0])

    def read(self, own: OccupancySettings, origin: Origin, now: float) -> Iterable[Row]:
        """Return the nodes that the command prints."""
        from plabctl.lister import run_lister

        assert isinstance(own.options, CommandOptions), "the configuration fills it"
        options = own.options
        printed = run_lister(
            options.command, own.timeout_s, origin, environment=options.environment, directory=options.directory
        )
        return parse_printed(printed.output, options.command[0], now)

    def list_named_files(self, options: CommandOptions) -> Iterator[tuple[str, bool]]:
        """Yield the program, if a path names it, and the folder in which it runs."""
        if "/" in options.command[0]:
            yield options.command[0], True
        if options.directory:
            yield options.directory, True


def parse_printed(raw: bytes, where: str, now: float) -> Iterator[Row]:
    """Return the rows in what a command printed; raise UsageFault when it is neither names nor JSON."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageFault(f"{where}:{line}: not UTF-8") from error
    if text.lstrip()[:1] in {"{", "["}:
        return _parse_json(text, where, now)
    return _parse_lines(text, where)


def _parse_lines(text: str, where: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if name and not name.startswith("#"):
            yield Row(f"{where}:{number}", name)


class _Object(list[tuple[str, object]]):
    """An object of JSON as its pairs: of a name that stands in it twice both uses count."""


def _parse_json(text: str, where: str, now: float) -> Iterator[Row]:
    import json

    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: no JSON: {error}") from error
    if isinstance(document, _Object):
        return (_read_use(where, name, use, now) for name, use in document)
    return (_read_item(f"{where}: item {number}", item, now) for number, item in enumerate(document, 1))


def _read_item(place: str, item: object, now: float) -> Row:
    """Return the row of an item of a list: a name, or an object with a `name`."""
    if isinstance(item, str):
        return Row(place, item)
    name = dict(item).get("name") if isinstance(item, _Object) else None
    return _read_use(place, name, item, now) if isinstance(name, str) else Row(place, "")


def _read_use(place: str, name: str, use: object, now: float) -> Row:
    """Return the row of a node and what is said of its use; that it is busy counts whatever that is."""
    if use is None:
        return Row(place, name)
    if not isinstance(use, _Object):
        return Row(place, name, fault=f"{name}: neither null nor an object, {_SHAPE}")
    given = dict(use)
    by, faults = given.get("by"), []
    if by is not None and not isinstance(by, str):
        faults.append("`by` is no text")
    instants: dict[str, float | None] = {}
    for key in ("since", "until"):
        try:
            instants[key] = _read_instant(given.get(key), now, ahead=key == "until")
        except ValueError as error:
            instants[key] = None
            faults.append(f"`{key}` {error}")
    fault = f"{name}: {', '.join(faults)}" if faults else ""
    return Row(place, name, by if isinstance(by, str) else "", instants["since"], instants["until"], fault)


def _read_instant(value: object, now: float, *, ahead: bool) -> float | None:
    """Return the instant that a number of seconds since 1970 or a text names; raise ValueError when it is none."""
    from plabctl.instants import parse_instant

    if value is None:
        return None
    at = value
    if isinstance(value, str):
        try:
            at = parse_instant(value, now, ahead=ahead)
        except ValueError:
            raise ValueError(f"{value!r:.100} is no instant") from None
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= _LATEST_AT:
        raise ValueError(f"{value!r:.100} is no instant")
    return round(float(at), 3)


COMMAND = CommandKind()
