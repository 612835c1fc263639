"""Each command loads what it needs and no more: see docs/decisions/10-late-imports.md."""

import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass

import pytest

from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store
from plabctl.values import replace
from tests.cli.console import ROOT, Desk

HEAVY = frozenset({
    "asyncio", "click", "cryptography", "dataclasses", "fabric", "inspect", "invoke", "json", "logging", "orjson",
    "paramiko", "rich", "sqlite3", "subprocess", "tinydb",
})  # fmt: skip
"""Libraries that take a millisecond or more to import."""
SHORT = HEAVY | {
    "concurrent", "contextlib", "csv", "ctypes", "decimal", "difflib", "email", "fnmatch", "hashlib", "ipaddress",
    "pathlib", "pickle", "pwd", "random", "selectors", "shlex", "shutil", "socket", "tempfile", "textwrap", "threading",
    "tomllib", "traceback", "typing", "uuid",
}  # fmt: skip
"""What the commands that cron and scripts run all day are measured by as well."""
SSH = {"cryptography", "fabric", "invoke", "logging", "paramiko", "subprocess"}
STORE = {"orjson", "tinydb"}
READING = {"click", "dataclasses", "inspect", "json"}

# Without the site module, which loads libraries of its own for packages that are installed in place.
_PROGRAM = r"""
import os, sys
from plabctl.cli.entry import main
sys.stdout, out = open(os.devnull, "w"), sys.stdout
code = main(sys.argv[1:])
print(code, *sorted(sys.modules), sep="\n", file=out)
"""


def find_loaded(desk: Desk, *arguments: str) -> set[str]:
    """The names of all modules that are loaded when `plabctl ARGUMENTS` ends."""
    places = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", _PROGRAM, *arguments],
        cwd=desk.folder,
        env={**desk.environ, "PYTHONPATH": ":".join(places)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, *modules = done.stdout.splitlines()
    assert code == "0", done.stderr
    return set(modules)


def libraries_in(modules: set[str]) -> set[str]:
    return {name for name in modules if "." not in name}


def folders_in(modules: set[str]) -> set[str]:
    """The folders of the package that something was loaded from."""
    return {name.split(".")[1] for name in modules if name.startswith("plabctl.") and name.count(".") > 1}


@dataclass(frozen=True)
class Short:
    """What a short command may load: exactly these libraries and folders, and at most so many of our modules."""

    arguments: str
    libraries: frozenset[str]
    folders: frozenset[str]
    most: int


IDLE = Short("tick", frozenset(), frozenset({"app", "cli", "config", "core", "files", "store"}), 59)
STATUS = [
    Short(f"status {form}".strip(), frozenset(libraries), IDLE.folders | {"render", "views"}, 78)
    for form, libraries in (("-o json", {"json"}), ("-o tsv", ()), ("-o name", ()), ("", ()))
]


@pytest.mark.parametrize("short", [IDLE, *STATUS], ids=lambda short: short.arguments)
def test_what_cron_and_scripts_run_loads_next_to_nothing(used_desk: Desk, short: Short) -> None:
    used_desk.ok("tick")  # the retest of the suspect: now nothing is due

    loaded = find_loaded(used_desk, *short.arguments.split())

    assert libraries_in(loaded) & SHORT == short.libraries
    assert folders_in(loaded) == short.folders
    ours = [name for name in loaded if name.partition(".")[0] == "plabctl"]
    assert len(ours) <= short.most, f"{len(ours)} modules"


@pytest.mark.parametrize("nodes", ["pc1", "pc[1]"])
def test_a_gate_that_is_open_loads_next_to_nothing(used_desk: Desk, nodes: str) -> None:
    loaded = find_loaded(used_desk, "retest", nodes, "--wait", "--fresh", "52w")

    assert not libraries_in(loaded) & SHORT
    assert not {"plabctl.core.due_rows", "plabctl.core.occupancy", "plabctl.core.state"} & loaded
    assert "ClusterShell" not in {name.partition(".")[0] for name in loaded}
    assert folders_in(loaded) == IDLE.folders


def test_a_status_long_after_the_last_test_loads_no_more_while_nothing_is_due(used_desk: Desk) -> None:
    used_desk.ok("tick")
    put_tests_back(used_desk, 3600.0)

    loaded = find_loaded(used_desk, "status", "-o", "json")

    assert libraries_in(loaded) & SHORT == {"json"}
    assert not {"plabctl.core.claim", "plabctl.core.stuck"} & loaded


def put_tests_back(desk: Desk, seconds: float) -> None:
    """Let the last test of each node have been so long ago, and the next one be due in half an hour."""
    with Store(desk.folder / "state", SystemClock()).session() as session:
        members = [
            replace(member, due_at=time.time() + 1800.0, last=replace(member.last, at=member.last.at - seconds))
            for member in session.members()
            if member.last
        ]
        session.apply(Changes(members=tuple(members)))


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        ("status -o table", {"click", "inspect"}),
        ("check --max-age 52w", READING - {"json"}),
        ("pool list", READING - {"json"}),
        ("history", READING | {"sqlite3"}),
        ("history -o json", READING | {"sqlite3"}),
        ("show pc1", READING | {"sqlite3"}),
        ("hold pc1 --reason x", READING | {"sqlite3"} | STORE),
        ("retest pc1", READING | {"sqlite3"} | STORE),
        ("--help", {"click", "inspect"}),
        ("tick --help", {"click", "inspect"}),
    ],
)
def test_a_command_loads_what_it_needs(used_desk: Desk, arguments: str, heavy: set[str]) -> None:
    assert libraries_in(find_loaded(used_desk, *arguments.split())) & HEAVY == heavy


def test_a_tick_that_tests_does_without_what_people_read(used_desk: Desk) -> None:
    used_desk.ok("retest", "pc1")

    loaded = find_loaded(used_desk, "tick")

    assert libraries_in(loaded) & HEAVY == READING | SSH | STORE | {"sqlite3"}
    assert not folders_in(loaded) & {"demo", "sim"}


def test_an_idle_tick_beside_an_inventory_loads_hardly_more(used_desk: Desk) -> None:
    (used_desk.folder / "nodes.txt").write_text("pc1\n")
    used_desk.config.write_text(f'{used_desk.config.read_text()}\n[[inventory]]\nkind = "file"\npath = "nodes.txt"\n')
    used_desk.ok("tick")

    loaded = find_loaded(used_desk, "tick")

    assert libraries_in(loaded) & SHORT == {"hashlib"}
    assert len([name for name in loaded if name.partition(".")[0] == "plabctl"]) <= IDLE.most + 10


def test_a_tick_that_only_reads_an_inventory_does_without_the_ssh_library(used_desk: Desk) -> None:
    used_desk.ok("tick")
    (used_desk.folder / "nodes.txt").write_text("pc1\npc2\n")
    used_desk.config.write_text(f'{used_desk.config.read_text()}\n[[inventory]]\nkind = "file"\npath = "nodes.txt"\n')

    loaded = find_loaded(used_desk, "tick")

    assert {"plabctl.app.tick", "plabctl.inventories.fetch"} <= loaded
    assert not libraries_in(loaded) & {"cryptography", "fabric", "invoke", "paramiko"}


def test_telling_a_fault_of_an_inventory_takes_no_library(used_desk: Desk) -> None:
    (used_desk.folder / "nodes.txt").write_text("pc1\n-bad\n")
    used_desk.config.write_text(f'{used_desk.config.read_text()}\n[[inventory]]\nkind = "file"\npath = "nodes.txt"\n')
    assert used_desk.run("tick").code != 0

    loaded = find_loaded(used_desk, "status", "-o", "json")

    assert {"plabctl.core.tick_errors", "plabctl.core.error_throttle"} <= loaded
    assert libraries_in(loaded) & HEAVY == {"json"}


def test_the_help_of_all_imports_no_command(used_desk: Desk) -> None:
    loaded = find_loaded(used_desk, "--help")

    assert folders_in(loaded) == {"cli"}
    assert not {"plabctl.cli.status", "plabctl.cli.move"} & loaded
