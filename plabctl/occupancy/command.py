"""The occupancy source `command`: a command prints which nodes are busy.

I/O: runs the command. It prints names, one a line, or JSON: a list of names, or an object of `{by, since, until}` by
name. Whatever else it prints is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.keys.lister_keys import CommandOptions, CommandSource, build_command_keys
from plabctl.core.keys.table import Table
from plabctl.errors import UsageFault
from plabctl.occupancy.base import OccupancyKind, Row
from plabctl.occupancy.use_rows import read_use
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import Origin


class CommandKind(CommandSource, OccupancyKind):
    """Busy nodes that a command prints."""

    name = "command"
    help = "names, one a line, or JSON by name with `by`, `since` and `until`, printed by a command"
    keys = Table(
        "occupancy.command",
        CommandOptions(),
        *build_command_keys(
            "The command, run without a shell. Nodes that it does not print are free.", '["busy-nodes", "--json"]'
        ),
    )

    def read(self, own: OccupancySettings, origin: Origin, now: float) -> Iterable[Row]:
        """Return the nodes that the command prints."""
        from plabctl.lister import run_lister

        assert isinstance(own.options, CommandOptions), "the configuration fills it"
        options = own.options
        printed = run_lister(
            options.command, own.timeout_s, origin, environment=options.environment, directory=options.directory
        )
        return parse_printed(printed.output, options.command[0], now)


def parse_printed(raw: bytes, where: str, now: float) -> Iterator[Row]:
    """Return the rows in what a command printed; raise UsageFault when it is neither names nor JSON."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageFault(f"{where}:{line}: not UTF-8") from error
    first = text.lstrip()[:1]
    if first == "<":
        raise UsageFault(f"{where}: a page of HTML or XML, not names")
    return _parse_json(text, where, now) if first in {"{", "["} else _parse_lines(text, where)


def _parse_lines(text: str, where: str) -> Iterator[Row]:
    lines = [(number, name) for number, line in enumerate(text.splitlines(), 1) if (name := line.strip())]
    named = [(number, name) for number, name in lines if not name.startswith("#")]
    return (Row(f"{where}:{number}", name, is_bare=len(named) == 1) for number, name in named)


class _Object(list[tuple[str, object]]):
    """An object of JSON as its pairs: of a name that stands in it twice both uses count."""


def _parse_json(text: str, where: str, now: float) -> Iterator[Row]:
    import json

    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{where}: no JSON: {error}") from error
    if isinstance(document, _Object):
        return (read_use(where, name, _unfold(use), now) for name, use in document)
    return (_read_item(f"{where}: item {number}", item, now) for number, item in enumerate(document, 1))


def _read_item(place: str, item: object, now: float) -> Row:
    """Return the row of an item of a list: a name, or an object with a `name`."""
    if isinstance(item, str):
        return Row(place, item)
    name = dict(item).get("name") if isinstance(item, _Object) else None
    return read_use(place, name, _unfold(item), now) if isinstance(name, str) else Row(place, "")


def _unfold(use: object) -> object:
    return dict(use) if isinstance(use, _Object) else use


COMMAND = CommandKind()
