"""Copies of the package to which the examples of a page are applied, and commands that run in them.

I/O. An example is a heading, then for each file of the change its path in bold and a block: `python` for a new module,
`diff` with each line after which another one stands, or in place of which. A `toml` block is what a configuration says
to use it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.fork_server import ROOT, fork_server

_BLOCK = re.compile(r"^(?:\*\*([^*\n]+)\*\*\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A change as a page shows it."""

    modules: Mapping[str, str]
    """New files with their text."""
    lines: Mapping[str, Sequence[tuple[str, str]]]
    """By file: each line as the file has it, and what stands there instead: mostly the same with a new one below."""
    config: str

    @property
    def files(self) -> list[str]:
        """The files of the package that it touches."""
        return [*self.modules, *self.lines]

    def apply(self, folder: Path) -> None:
        """Make the change to the package in `folder`."""
        for name, text in self.modules.items():
            assert not (folder / name).exists()
            (folder / name).write_text(text)
        for name, changes in self.lines.items():
            for old, new in changes:
                text = (folder / name).read_text()
                assert text.count(f"{old}\n") == 1, f"{name}: {old}"
                (folder / name).write_text(text.replace(f"{old}\n", f"{new}\n"))


def read_headings(page: Path) -> list[str]:
    """Return the headings of a page, under each of which is an example."""
    return re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)


def read_example(page: Path, heading: str) -> Example:
    """Return the example under a heading of a page."""
    (section,) = [
        part for part in re.split(r"^## ", page.read_text(), flags=re.MULTILINE) if part.startswith(f"{heading}\n")
    ]
    modules, lines, config = {}, {}, ""
    for name, language, text in _BLOCK.findall(section):
        match language:
            case "python":
                modules[name] = text
            case "diff":
                both = text.removesuffix("\n").split("\n")
                pairs = list(zip(both[::2], both[1::2], strict=True))
                assert all(old[0] in " -" and new[0] == "+" for old, new in pairs)
                lines[name] = [(old[1:], f"{old[1:]}\n{new[1:]}" if old[0] == " " else new[1:]) for old, new in pairs]
            case "toml":
                config = text
    return Example(modules, lines, config)


def copy_package(folder: Path) -> Path:
    """Copy the package, compiled modules included, into `folder` and return that."""
    half_written = shutil.ignore_patterns("*.pyc.*")  # by another test, of which there is nothing a moment later
    shutil.copytree(ROOT / "plabctl", folder / "plabctl", ignore=half_written)
    return folder


def run_plabctl(package: Path, folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run `plabctl WORDS` of the package in `folder`, where a `plabctl.toml` stands."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"PYTHONPATH": str(package), "NO_COLOR": "1"}
    argv = ["--config", "plabctl.toml", *words.split()]
    return fork_server(libraries_only=True).run(argv, folder, environ, None, 60.0)


def check_row_of_map(tour: Path, row_name: str, heading: str, files: Collection[str]) -> None:
    """Check that the map of changes in `tour` names these files, how many they are, and where the example stands."""
    (row,) = [line for line in tour.read_text().split("\n") if line.startswith(f"| {row_name} |")]

    assert f"({len(files)} files)" in row
    assert f"(extending.md#{heading.lower().replace(' ', '-')})" in row
    assert 1 <= len(files) <= 2
    for name in files:
        assert f"`{name}`" in row or f"`{Path(name).parent}/`" in row


def check_types(package: Path, examples: Sequence[Example]) -> None:
    """Apply the examples to this copy of the package, and check with mypy the modules that they make or change."""
    for example in examples:
        example.apply(package)
    modules = dict.fromkeys(name for example in examples for name in example.files)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=.cache", *modules],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout
