"""A new column of the status and a new form of output, made to a copy of the package as docs/extending.md says."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Member, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.builders import make_member, make_node
from tests.cli.console import CONFIG
from tests.docs.package_copy import (
    Example,
    check_row_of_map,
    copy_package,
    read_example,
    run_plabctl,
)
from tests.lab.fork_server import ROOT

TOUR, PAGE = ROOT / "docs/tour.md", ROOT / "docs/extending.md"
MANY = 100
"""More nodes than go through the loops for short lists."""


@dataclass(frozen=True)
class Change:
    """One line of the map, by its first column, and the heading of its example."""

    row: str
    heading: str

    @property
    def example(self) -> Example:
        return read_example(PAGE, self.heading)


COLUMN = Change("another column of the status", "A column of the status")
FORM = Change("another form of output", "A form of output")
CHANGES = (COLUMN, FORM)
NAMES = [change.row for change in CHANGES]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Change], Path]:
    """Returns a copy of the package with the change."""

    def make(change: Change) -> Path:
        own = copy_package(tmp_path / "copy")
        change.example.apply(own)
        return own

    return make


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a configuration and two nodes, one of which failed its last test."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "plabctl.toml").write_text(f'{CONFIG}\n[ssh]\nuser = "nobody"\nkey = "key"\n')
    (folder / "key").write_text("")
    failed = Verdict(Outcome.FAIL, Cause.SETUP, "no | room", 1.0, 2.5)
    add_nodes(
        folder,
        make_member("n1", good_ratio=0.75),
        make_member("n2", "bad", good_ratio=0.25, fail_streak=1, last=failed),
    )
    return folder


def add_nodes(folder: Path, *members: Member) -> None:
    with Store(folder / "state", SystemClock()).session() as session:
        session.apply(Changes(nodes=tuple(make_node(each.node) for each in members), members=members))


def show(package: Path, desk: Path, words: str) -> str:
    done = run_plabctl(package, desk, words)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_the_map_names_the_files_of_the_change_and_how_many(change: Change) -> None:
    check_row_of_map(TOUR, change.row, change.heading, change.example.files)


def test_a_new_column_is_in_every_form(changed: Callable[[Change], Path], desk: Path) -> None:
    own = changed(COLUMN)

    assert show(own, desk, "config check")
    assert [node["good_ratio"] for node in json.loads(show(own, desk, "status -o json"))["nodes"]] == [0.75, 0.25]
    assert [json.loads(line)["good_ratio"] for line in show(own, desk, "status -o jsonl").splitlines()] == [0.75, 0.25]
    assert [line.split("\t")[-1] for line in show(own, desk, "status -o tsv").splitlines()] == ["0.75", "0.25"]
    assert show(own, desk, "status -o tsv --header").splitlines()[0].endswith("\tgood_ratio")
    assert show(own, desk, "status -o csv").splitlines()[2].endswith(",0.25")
    assert show(own, desk, "status -o name") == "n1\nn2\n"
    for form in ("table", "wide"):
        titles, *lines = show(own, desk, f"status -o {form}").splitlines()
        column = titles.index("GOOD")
        assert {line[column:].split()[0] for line in lines[:2]} == {"75%", "25%"}
    assert json.loads(show(own, desk, "show n1 -o json"))["good_ratio"] == 0.75
    for words in ("tick --dry-run", "pool list", "explain n1"):
        assert show(own, desk, words)


def test_a_new_column_is_in_long_lists_as_well(changed: Callable[[Change], Path], desk: Path) -> None:
    own = changed(COLUMN)
    add_nodes(desk, *(make_member(f"m{number}", good_ratio=0.5) for number in range(MANY)))

    ratios = [node["good_ratio"] for node in json.loads(show(own, desk, "status -o json"))["nodes"]]
    cells = [line.split("\t")[-1] for line in show(own, desk, "status -o tsv").splitlines()]

    assert ratios == [*([0.5] * MANY), 0.75, 0.25]
    assert [float(cell) for cell in cells] == ratios


def test_a_new_form_is_there_for_every_list(changed: Callable[[Change], Path], desk: Path) -> None:
    own = changed(FORM)

    assert "markdown" in show(own, desk, "status --help")
    title, rule, first, second = show(own, desk, "status -o markdown").splitlines()
    assert title.startswith("| name | pool | since_at |")
    assert rule.count("---") == title.count("|") - 1
    assert first.startswith("| n1 | good |")
    assert second.startswith("| n2 | bad |")
    assert "| no / room |" in second
    assert show(own, desk, "node list -o markdown").count("\n") == 4
    assert show(own, desk, "pool list -o markdown").startswith("| name |")
    assert show(own, desk, "history -o markdown").startswith("| at | kind |")
    assert show(own, desk, "tick --dry-run -o markdown").startswith("| name |")
    for form in ("table", "wide", "tsv", "json", "jsonl", "csv", "name"):
        assert "n1" in show(own, desk, f"status -o {form}")
