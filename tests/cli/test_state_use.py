"""How often a command opens the state file, reads the whole of it, and commits.

Counted by the interpreter's own audit events, but for the whole reads, after which the file is verified.
"""

import re
import sys

import pytest

from tests.cli.console import Desk

COUNTING = """
import atexit, os, runpy, sys

from plabctl.store import tables

counts = {"opened": 0, "read": 0, "commits": 0}

def count(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.basename(arguments[0]) == "state.json":
        counts["opened"] += 1
    elif event == "open" and str(arguments[0]).startswith("state.journal.") and arguments[2] & os.O_APPEND:
        counts["commits"] += 1

def verify(*arguments, real=tables.verify_head):
    counts["read"] += 1
    return real(*arguments)

tables.verify_head = verify
sys.addaudithook(count)
atexit.register(lambda: print("counted", *counts.values(), file=sys.stderr))
runpy.run_module("plabctl", run_name="__main__")
"""


class CountingDesk(Desk):
    """Runs plabctl with the hook that counts."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", COUNTING, *arguments]


@pytest.mark.parametrize(
    ("command", "opened", "read", "commits"),
    [
        ("retest pc1 pc2", 1, 1, 1),
        ("retest @good --yes", 2, 1, 1),
        ("move pc1 bad -r disk", 1, 1, 1),
        ("move @good bad -r disk --yes", 2, 1, 1),
        ("hold pc1 -r disk", 1, 1, 1),
        ("node rm pc1", 1, 1, 1),
        ("node add pc3", 1, 1, 1),
        ("status pc1", 1, 1, 0),
    ],
)
def test_a_command_reads_and_commits_the_state_no_more_often_than_it_must(
    used_desk: Desk, command: str, opened: int, read: int, commits: int
) -> None:
    assert count_uses(used_desk, command) == (opened, read, commits)


def test_a_test_that_is_waited_for_reads_and_commits_the_state_no_more_often_than_it_must(used_desk: Desk) -> None:
    # Once a second it looks what others have done meanwhile; on a busy machine a test may take so long.
    assert any(count_uses(used_desk, "retest pc1 --wait") == (4, 1, 3) for _ in range(5))


def count_uses(desk: Desk, command: str) -> tuple[int, ...]:
    """Return how often a command opens the state, reads it and commits."""
    said = CountingDesk(desk.folder).run(*command.split())
    assert said.code == 0, said
    (counted,) = re.findall(r"^counted (\d+) (\d+) (\d+)$", said.err, re.MULTILINE)
    return tuple(map(int, counted))


def test_what_a_command_did_is_in_the_history_at_once_and_told_once(used_desk: Desk) -> None:
    used_desk.ok("move", "pc1", "bad", "-r", "disk")
    assert used_desk.ok("history", "-o", "tsv").count("disk") == 1

    used_desk.ok("tick")
    used_desk.ok("retest", "pc1", "--wait", "-r", "the disk is new")

    told = used_desk.ok("history", "-o", "tsv")
    assert told.count("the disk is new") == 1
    assert told.count("disk") == 2
