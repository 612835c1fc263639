"""Each change of the map in docs/tour.md, made to a copy of the package as the page says, and used as a user would."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.console import CONFIG

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs/tour.md"


@dataclass(frozen=True)
class Use:
    """One command, and what must be in its output."""

    words: str
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """What one line of the map asks for: new modules, and one line each in others."""

    row: str
    """The line of the map, by its first column."""
    modules: dict[str, str]
    lines: dict[str, tuple[str, str]]
    """By file: the line after which the new one stands, and the new one."""
    config: str
    uses: tuple[Use, ...]
    leaves: dict[str, str] = field(default_factory=dict)
    """Files that the commands must have written, with something that stands in them."""

    @property
    def files(self) -> list[str]:
        return [*self.modules, *self.lines]


INVENTORY = '''\
"""The inventory `numbered`: nodes that are called by a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Text, Whole
from plabctl.core.names import is_host
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.reading import Reading
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin


@dataclass(frozen=True, slots=True)
class NumberedOptions:
    """What only an inventory of this kind can be told."""

    prefix: str = ""
    count: int = 2


class NumberedKind(InventoryKind):
    """So many nodes of one name."""

    name = "numbered"
    help = "a prefix and a number"
    keys = Table(
        "inventory.numbered",
        NumberedOptions(),
        Key("prefix", Text("a host name", is_host), text="What they begin with.", example='"pc"', required=True),
        Key("count", Whole(1, 100), text="How many there are. 2 because two are more than one.", example="2"),
    )

    def identify(self, options: NumberedOptions) -> str:
        """Return the prefix."""
        return options.prefix

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes."""
        from plabctl.core.model import Node

        assert isinstance(own.options, NumberedOptions)
        names = (f"{own.options.prefix}{number}" for number in range(1, own.options.count + 1))
        return Reading(tuple(Node(name, {}, own.name) for name in names))


NUMBERED = NumberedKind()
'''
SINK = '''\
"""The sink `lines`: a line in a file for each batch of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.model import Event
    from plabctl.core.settings import SinkSettings


@dataclass(frozen=True, slots=True)
class LinesOptions:
    """What only a sink of this kind can be told."""

    path: str = ""


class LinesKind(SinkKind):
    """A file that gets a line for each batch."""

    name = "lines"
    help = "a line in a file for each batch of events"
    keys = Table(
        "sink.lines",
        LinesOptions(),
        Key("path", FilePath(), text="The file.", example='"moves.txt"', required=True),
    )
    takes_batches = True

    def identify(self, own: SinkSettings) -> str:
        """Return the path."""
        assert isinstance(own.options, LinesOptions)
        return own.options.path

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Append the line."""
        assert isinstance(own.options, LinesOptions)
        try:
            with open(own.options.path, "a", encoding="utf-8") as file:
                file.write(" ".join(f"{event.kind}:{event.node}" for event in events) + "\\n")
        except OSError as error:
            return TellResult(ok=False, error=f"sink {own.options.path!r}: {error.strerror}")
        return TellResult(ok=True)


LINES = LinesKind()
'''
CHANGES = (
    Change(
        "another kind of inventory",
        {"plabctl/inventories/numbered.py": INVENTORY},
        {
            "plabctl/kinds.py": (
                '"ansible": "plabctl.inventories.ansible:ANSIBLE",',
                '"numbered": "plabctl.inventories.numbered:NUMBERED",',
            )
        },
        '[[inventory]]\nkind = "numbered"\nprefix = "pc"\n',
        (
            Use("config check"),
            Use("config show", ('kind = "numbered"', 'prefix = "pc"', "count = 2")),
            Use(
                "config sample",
                ('#kind = "numbered"', '#prefix = "pc"', "#count = 2", "numbered:"),
            ),
            Use("tick"),
            Use("status", ("pc1", "pc2", "good")),
            Use("status -o json", ('"pc2"',)),
            Use("status -o tsv", ("pc2",)),
            Use("show pc1", ("numbered:pc",)),
            Use("tick"),
        ),
    ),
    Change(
        "another kind of sink",
        {"plabctl/sinks/lines.py": SINK},
        {
            "plabctl/kinds.py": (
                '"command": "plabctl.sinks.command:COMMAND",',
                '"lines": "plabctl.sinks.lines:LINES",',
            )
        },
        '[[sink]]\nkind = "lines"\non = ["node-added", "transition"]\npath = "moves.txt"\n',
        (
            Use("config check"),
            Use("config show", ('kind = "lines"', "moves.txt")),
            Use("config sample", ('#kind = "lines"', '#path = "moves.txt"', "lines:")),
            Use("node add pc1"),
            Use("tick"),
            Use("status", ("pc1", "good")),
            Use("history", ("pc1",)),
        ),
        {"moves.txt": "node-added:pc1 transition:pc1\n"},
    ),
)
NAMES = [change.row for change in CHANGES]


def apply(change: Change, folder: Path) -> None:
    for name, text in change.modules.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    for name, (anchor, line) in change.lines.items():
        lines = (folder / name).read_text().split("\n")
        (place,) = [number for number, each in enumerate(lines) if each.strip() == anchor]
        indent = lines[place][: -len(lines[place].lstrip())]
        lines.insert(place + 1, indent + line)
        (folder / name).write_text("\n".join(lines))


def copy_package(folder: Path) -> Path:
    shutil.copytree(ROOT / "plabctl", folder / "plabctl", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_the_map_names_the_files_of_the_change_and_how_many(change: Change) -> None:
    (row,) = [line for line in TOUR.read_text().split("\n") if line.startswith(f"| {change.row} |")]

    assert f"({len(change.files)} files)" in row
    assert len(change.files) <= 2
    for name in change.files:
        assert f"`{name}`" in row or f"`{Path(name).parent}/`" in row


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_a_change_as_the_map_says_works_for_users(change: Change, tmp_path: Path) -> None:
    package, desk = copy_package(tmp_path / "copy"), tmp_path / "desk"
    apply(change, package)
    desk.mkdir()
    (desk / "plabctl.toml").write_text(f"{CONFIG}\n{change.config}")
    environ = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}

    for use in change.uses:
        words = [sys.executable, "-m", "plabctl", "--config", "plabctl.toml", *use.words.split()]
        done = subprocess.run(words, cwd=desk, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{use.words}: {done.stdout}{done.stderr}"
        for part in use.shows:
            assert part in done.stdout, use.words
    for name, text in change.leaves.items():
        assert text in (desk / name).read_text()


def test_the_type_checker_agrees_with_all_changes(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    for change in CHANGES:
        apply(change, package)
    modules = dict.fromkeys(name for change in CHANGES for name in change.files)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=.cache", *modules],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout
