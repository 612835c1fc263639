"""What changed, and the command that undoes it."""

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.change_report import build_undo_command, fold_changes, format_changes, list_undo_lines
from plabctl.views.changes import Change, ChangeResult


def test_a_line_says_from_what_to_what() -> None:
    assert list(format_changes(ChangeResult((Change("n1", "good", "bad"), Change("n2", "", "due now"))))) == [
        "n1: good -> bad",
        "n2: due now",
    ]


def test_folded_what_changed_alike_is_one_line() -> None:
    changes = (Change("n1", "good", "bad"), Change("n7", "", "due now"), Change("n2", "good", "bad"))

    assert list(fold_changes(ChangeResult(changes))) == ["2 nodes (n[1-2]): good -> bad", "1 node (n7): due now"]


def test_an_undo_that_no_shell_takes_is_not_printed() -> None:
    names = [f"n{number}-{number * number % 49999}" for number in range(20_000)]
    long, short = build_undo_command(["node", "rm"], names), build_undo_command(["node", "rm"], names[:100])

    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["true", *shlex.split(long)], check=True)
    subprocess.run(["true", *shlex.split(short)], check=True)
    assert list_undo_lines(ChangeResult((), (long, short))) == [short]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_an_undo_can_be_pasted_into_a_shell(names: list[str]) -> None:
    command = build_undo_command(["move"], names, ["bad", "--reason", "it's over"])

    assert shlex.split(command) == ["plabctl", "move", *names, "bad", "--reason", "it's over"]


def test_many_names_are_folded() -> None:
    command = build_undo_command(["hold"], [f"n{number}" for number in range(100)], ["--reason", "it's over"])

    assert shlex.split(command) == ["plabctl", "hold", "n[0-99]", "--reason", "it's over"]
