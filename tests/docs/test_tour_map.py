"""Each change of the map in docs/tour.md, made to a copy of the package as docs/extending.md says, and used."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plabctl.probes.embedded.make_key import make_key
from plabctl.probes.embedded.ssh_node import EmbeddedNode
from plabctl.render.listing import FOR_PEOPLE, FORMS
from tests.cli.console import CONFIG
from tests.docs.package_copy import (
    Example,
    check_row_of_map,
    check_types,
    copy_package,
    read_example,
    read_headings,
    run_plabctl,
)
from tests.lab.fork_server import ROOT

TOUR, PAGE = ROOT / "docs/tour.md", ROOT / "docs/extending.md"
LOOK = tuple(f"status -o {form}" for form in (*FOR_PEOPLE, *FORMS) if form != "nodeset")  # which folds the names
HEAD, RECIPE = CONFIG[: CONFIG.index("[pool.good]")], CONFIG[CONFIG.index("[recipe") :]
"""What stands around the pools."""


@dataclass(frozen=True)
class Use:
    """One command, and what must be in its output."""

    words: str
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One line of the map, and what a user does once it is made."""

    row: str
    """The line of the map, by its first column."""
    heading: str
    """That of the example."""
    config: str
    """What stands in the configuration before what the example says."""
    uses: tuple[Use, ...]
    refused: tuple[str, str] = ("", "")
    """What makes `config check` complain when it stands at the end of the configuration, and the complaint."""
    finds: dict[str, str] = field(default_factory=dict)
    """Files with their text that are there before."""
    leaves: dict[str, str] = field(default_factory=dict)
    """Files that the commands must have written, with something that stands in them."""

    @property
    def example(self) -> Example:
        return read_example(PAGE, self.heading)


CHANGES = (
    Change(
        "another kind of pool",
        "A kind of pool",
        HEAD + RECIPE,
        (
            Use("config check"),
            Use("config show", ('kind = "patient"', "failures = 2", 'on_fail = "bad"')),
            Use("config sample", ("#[pool.patient]", "#failures = 3", "patient: offers its nodes until")),
            Use("node add pc1 pc2.bad"),
            Use("tick"),
            *(Use(words, ("pc1",)) for words in LOOK),
            Use("pool list", ("good", "bad")),
            Use("pool show good", ("to bad after 2 failures in a row",)),
            Use("explain pc1", ("it stays in good", "2 failures in a row move it to bad as a suspect")),
            Use("simulate --nodes 2 --days 2 -p plabctl.toml -p additive", ("plabctl", "additive")),
        ),
        (
            '[pool.more]\nkind = "good"\non_fail = "good"\n',
            'pool.more.on_fail: "good" is of kind "patient" on the same side, allowed: "bad"',
        ),
    ),
    Change(
        "another back-off",
        "A back-off",
        HEAD + RECIPE,
        (
            Use("config check"),
            Use("config show", ('kind = "eager"', "tests = 2", 'base = "1m"')),
            Use("config sample", ("eager: base for the first tests results, then max",)),
            Use("node add pc1"),
            Use("tick"),
            *(Use(words, ("pc1",)) for words in LOOK),
            Use("pool list", ("1m for 2 equal results in a row, then the longest",)),
            Use("explain pc1", ("the eager back-off of good", "min(1h, 1m)")),
            Use("explain pc1 -o json", ('"kind":"eager"',)),
            Use("simulate --nodes 2 --days 2 -p eager -p plabctl.toml", ("eager", "plabctl")),
        ),
    ),
    Change(
        "another recipe",
        "A recipe",
        HEAD,
        (
            Use("config check"),
            Use("config show", ('recipe = "folder"', "[recipe.folder.setup]")),
            Use("config sample", ("folder: a directory that is made, found and removed",)),
            Use("tick"),
            *(Use(words, ("pc1",)) for words in LOOK),
            Use("status", ("good",)),
            Use("test pc1", ("setup", "check", "teardown")),
            Use("explain pc1", ("folder",)),
            Use("pool show good", ("folder",)),
        ),
    ),
    Change(
        "another kind of inventory",
        "A kind of inventory",
        CONFIG,
        (
            Use("config check"),
            Use("config show", ('kind = "numbered"', 'prefix = "pc"', "count = 2")),
            Use("config sample", ('#kind = "numbered"', '#prefix = "pc"', "#count = 2", "numbered:")),
            Use("tick"),
            *(Use(words, ("pc1", "pc2")) for words in LOOK),
            Use("show pc1", ("numbered:pc",)),
            Use("explain pc1"),
            Use("tick"),
        ),
        ("count = 10\n", "inventory[1].digits: too few for the count, allowed: at least 2"),
    ),
    Change(
        "another occupancy source",
        "An occupancy source",
        CONFIG,
        (
            Use("config check"),
            Use("config show", ('kind = "notes"', "in-use")),
            Use("config sample", ('#kind = "notes"', '#path = "in-use"', "notes: a folder with a note")),
            Use("node add pc1 pc2"),
            Use("tick"),
            Use("status", ("pc1", "pc2")),
            Use("status -o json", ('"busy_by":"ada"',)),
            Use("status @busy -o name", ("pc1\n",)),
            Use("explain pc1", ("ada",)),
        ),
        ("every = 5\n", "occupancy[1].every: "),
        finds={"in-use/pc1": "ada\n"},
    ),
    Change(
        "another kind of sink",
        "A kind of sink",
        CONFIG,
        (
            Use("config check"),
            Use("config show", ('kind = "lines"', "moves.txt")),
            Use("config sample", ('#kind = "lines"', '#path = "moves.txt"', "lines:")),
            Use("node add pc1"),
            Use("tick"),
            *(Use(words, ("pc1",)) for words in LOOK),
            Use("history", ("pc1",)),
        ),
        leaves={"moves.txt": "node-added:pc1 transition:pc1\n"},
    ),
    Change(
        "another executor",
        "An executor",
        CONFIG,
        (
            Use("config check"),
            Use("config show", ('kind = "serial"', 'pause = "10ms"')),
            Use("config sample", ('#kind = "serial"', '#pause = "0s"', "serial: one after the other")),
            Use("node add pc1 pc2 pc3"),
            Use("tick"),
            *(Use(words, ("pc1", "pc2", "pc3")) for words in LOOK),
            Use("status", ("good",)),
            Use("retest pc1 --wait", ("pc1",)),
            Use("test pc1", ("setup", "teardown")),
            Use("explain pc1"),
        ),
    ),
    Change(
        "another setting",
        "A setting",
        HEAD + RECIPE + '[recipe.quick]\ntransport = "local"\nsetup = { run = "echo quick" }\n',
        (
            Use("config check"),
            Use("config show", ('recipe_label = "vm"',)),
            Use("config sample", ('#recipe_label = "recipe"', "The variable that names a node's own.")),
            Use("node add pc1 --set vm=quick"),
            Use("node add pc2"),
            Use("tick"),
            *(Use(words, ("pc1", "pc2")) for words in LOOK),
            Use("show pc1 -o tsv", ("recipe\tquick\n", "\t  │ quick\n")),
            Use("explain pc1 -o tsv", ("recipe\tquick\n",)),
            Use("explain pc2 -o tsv", ("recipe\tprocess\n",)),
        ),
        (
            '[pool.more]\nkind = "good"\non_fail = "bad"\nrecipe_label = 5\n',
            "pool.more.recipe_label: ",
        ),
    ),
    Change(
        "another command",
        "A command",
        CONFIG,
        (
            Use("config check"),
            Use("--help", ("due", "The nodes whose time has come.")),
            Use("due --help", ("List the nodes that are due", "--count")),
            Use("node add pc1 pc2"),
            Use("due", ("pc1\npc2\n",)),
            Use("tick"),
            Use("status", ("pc1",)),
            Use("due --count", ("0\n",)),
        ),
    ),
)
NAMES = [change.row for change in CHANGES]


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_the_map_names_the_files_of_the_change_and_how_many(change: Change) -> None:
    check_row_of_map(TOUR, change.row, change.heading, change.example.files)


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_a_change_as_the_page_says_works_for_users(change: Change, tmp_path: Path) -> None:
    own, desk, example = copy_package(tmp_path / "copy"), tmp_path / "desk", change.example
    example.apply(own)
    desk.mkdir()
    public, _ = make_key(desk / "key"), make_key(desk / "host_key")
    (desk / "node").mkdir()
    for name, text in change.finds.items():
        (desk / name).parent.mkdir()
        (desk / name).write_text(text)
    with EmbeddedNode(desk / "node", desk / "host_key", public) as node:
        ssh = f'[ssh]\nkey = "key"\nport = {node.port}\nhost_keys = "first-use"\n'
        (desk / "plabctl.toml").write_text(f"{change.config}\n{ssh}\n{example.config}")
        if change.heading == "A recipe":
            assert run_plabctl(own, desk, "node add pc1 --set ssh_host=127.0.0.1").returncode == 0
        for use in change.uses:
            done = run_plabctl(own, desk, use.words)
            assert done.returncode == 0, f"{use.words}: {done.stdout}{done.stderr}"
            shown = done.stdout.replace("\n# ", " ")  # comments of the sample are wrapped
            for part in use.shows:
                assert part in shown, f"{use.words}: {part}"
            if use.words == "config sample":
                (desk / "sample.toml").write_text(done.stdout)
                done = run_plabctl(own, desk, "--config sample.toml config check")
                assert done.returncode == 0, done.stderr
        text, complaint = change.refused
        with (desk / "plabctl.toml").open("a") as file:
            file.write(text)
        done = run_plabctl(own, desk, "config check")
        assert (done.returncode, complaint in done.stderr) == (78 if complaint else 0, True), done.stderr
    for name, text in change.leaves.items():
        assert text in (desk / name).read_text()


def test_the_type_checker_agrees_with_all_changes(tmp_path: Path) -> None:
    check_types(copy_package(tmp_path), [read_example(PAGE, heading) for heading in read_headings(PAGE)])
