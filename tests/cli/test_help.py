"""Every command explains itself: one line, then an example."""

import click
import pytest
from click.testing import CliRunner

from plabctl.cli.main import COMMANDS, plabctl
from tests.cli.console import Desk

NAMES = [name for section in COMMANDS.values() for name in section]


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    ctx = click.Context(command)
    found = [path] if path else []
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        assert below is not None
        found += leaves(below, (*path, name))
    return found


PATHS = leaves(plabctl)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_begins_with_one_line_and_an_example(path: tuple[str, ...]) -> None:
    runner = CliRunner()
    long, short = (runner.invoke(plabctl, [*path, flag]) for flag in ("--help", "-h"))
    usage, first, example = long.output.split("\n\n")[:3]

    assert long.exit_code == short.exit_code == 0
    assert long.output == short.output
    assert usage.startswith("Usage: plabctl")
    assert first.strip().endswith((".", "plug-in."))
    assert all(line.startswith("    plabctl ") or " | plabctl " in line for line in example.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_commands_says_what_the_command_does(name: str) -> None:
    runner = CliRunner()

    assert f"  {name} " in runner.invoke(plabctl, ["--help"]).output


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_option_of_an_example_exists(path: tuple[str, ...]) -> None:
    import shlex

    text = CliRunner().invoke(plabctl, [*path, "--help"]).output.split("\n\n")[2]
    for line in text.splitlines():
        words = shlex.split(line[line.index("plabctl ") :])
        words = words[1 : next((place for place, word in enumerate(words) if word in {"&&", ">", ">>", "|"}), None)]
        ctx = click.Context(plabctl, info_name="plabctl")
        command: click.Command = plabctl
        while isinstance(command, click.Group):
            name = words.pop(0)
            found = command.get_command(ctx, name)
            assert found is not None, line
            command = found
        command.make_context("x", [word for word in words if not word.startswith(">")], parent=ctx)


def test_alone_it_shows_the_help(desk: Desk) -> None:
    assert desk.ok() == desk.ok("--help")


def test_the_version(desk: Desk) -> None:
    from plabctl import __version__

    assert desk.ok("--version") == f"plabctl {__version__}\n"
