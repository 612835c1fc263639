"""Makes `docs/commands.md` from the commands themselves: `python -m tests.cli.reference`. A test keeps them in step."""

from collections.abc import Iterator
from pathlib import Path

import click

from plabctl.cli.main import plabctl

PAGE = Path(__file__).parents[2] / "docs/commands.md"
_INTRO = """\
# Commands

Every command explains itself with `-h`. This page is what they say; `python -m tests.cli.reference` makes it.

Exit codes: 0 done; 1 failed or refused, or a verdict that is bad; 2 wrong usage; 70 a fault of plabctl itself; 74 the
state or the output cannot be read or written; 75 busy, try again; 78 wrong configuration; 130 or 143 interrupted; 141
nobody reads the output any more. `plabctl check` alone exits with 0 to 3, as monitoring plug-ins do.

`NODES` are names, globs (`'pc*.example.org'`), pools (`@bad`), several of these between commas or blanks, or `-` for
names from standard input. Output is a table on a terminal and TSV elsewhere; `-o` chooses another form. Data goes to
standard output, remarks to standard error. The object that `plabctl status -o json` prints is described by
[status.schema.json](status.schema.json).
"""


def helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the help of a command and of all below it."""
    ctx = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=100,
        max_content_width=100,
        help_option_names=["-h", "--help"],
    )
    yield ctx.command_path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for below in command.list_commands(ctx):
            found = command.get_command(ctx, below)
            assert found is not None
            yield from helps(found, ctx, below)


def page() -> str:
    """Return the text of the page."""
    blocks = [f"## {path}\n\n```text\n{text.strip()}\n```\n" for path, text in helps(plabctl, None, "plabctl")]
    return "\n".join([_INTRO, *blocks])


if __name__ == "__main__":
    PAGE.write_text(page())
