"""The quick path takes exactly its calls, and imports next to nothing."""

import json
import subprocess
import sys

import pytest

from plabctl.cli.fast_path import parse_call
from tests.cli.console import Desk


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ("tick", ("tick", None, None)),
        ("tick --config x", ("tick", "x", None)),
        ("tick -c x", ("tick", "x", None)),
        ("tick --config=x", ("tick", "x", None)),
        ("status -o json", ("status", None, "json")),
        ("status -otsv", ("status", None, "tsv")),
        ("status --output name -c x", ("status", "x", "name")),
        ("status", ("status", None, None)),
        ("tick -o json", None),
        ("tick --dry-run", None),
        ("tick pc1", None),
        ("status pc1 -o json", None),
        ("status -o table", None),
        ("status -o", None),
        ("status -o json -o json", None),
        ("status -o json --watch", None),
        ("status -o json -c", None),
        ("status --config= -o json", None),
        ("show pc1", None),
        ("--config x status -o json", None),
        ("", None),
    ],
)
def test_what_the_quick_path_takes(arguments: str, parsed: object) -> None:
    assert parse_call(arguments.split()) == parsed


LOADED = """
import json, os, sys
from plabctl.cli.entry import main
sys.stdout, out = open(os.devnull, "w"), sys.stdout
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=out)
"""


def modules_of(desk: Desk, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, modules = json.loads(done.stdout)
    assert code == 0, done.stderr
    return {module.partition(".")[0] for module in modules}


HEAVY = {"click", "rich", "fabric", "paramiko", "tinydb", "sqlite3", "logging", "subprocess", "random", "asyncio"}


@pytest.mark.parametrize("form", ["json", "tsv", "name"])
def test_a_status_for_programs_loads_nothing_heavy(used_desk: Desk, form: str) -> None:
    assert not modules_of(used_desk, "status", "-o", form) & HEAVY


def test_an_idle_tick_loads_nothing_heavy(used_desk: Desk) -> None:
    used_desk.ok("tick")  # the retest of the suspect

    assert not modules_of(used_desk, "tick") & HEAVY


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["status"], HEAVY),
        (["status", "-o", "table"], {"rich", "fabric", "tinydb", "sqlite3"}),
        (["history"], {"rich", "fabric", "tinydb"}),
        (["pool", "list"], {"rich", "fabric", "tinydb", "sqlite3"}),
        (["check", "--max-age", "52w"], {"rich", "fabric", "tinydb", "sqlite3"}),
        (["hold", "pc1", "--reason", "x"], {"rich", "fabric"}),
        (["retest", "pc1"], {"rich", "fabric"}),
        (["--help"], {"rich", "fabric", "tinydb", "sqlite3", "orjson"}),
    ],
)
def test_a_command_imports_what_it_needs(used_desk: Desk, arguments: list[str], spared: set[str]) -> None:
    assert not modules_of(used_desk, *arguments) & spared


def test_the_help_of_all_imports_no_command(used_desk: Desk) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--help"],
        cwd=used_desk.folder, env=used_desk.environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    _, modules = json.loads(done.stdout)

    assert not {"plabctl.cli.status", "plabctl.cli.move", "plabctl.app.context", "plabctl.store.store"} & set(modules)


def test_both_ways_show_the_same_table(used_desk: Desk) -> None:
    assert used_desk.ok("status") == used_desk.ok("status", "*")


@pytest.mark.parametrize("form", ["json", "tsv", "name"])
def test_both_ways_say_the_same(used_desk: Desk, form: str) -> None:
    quick = used_desk.ok("status", "-o", form)
    through_click = used_desk.ok("status", "*", "-o", form)

    if form == "json":
        first, second = json.loads(quick), json.loads(through_click)
        assert first.pop("generated_at") <= second.pop("generated_at")
        assert first == second
    else:
        assert quick == through_click
