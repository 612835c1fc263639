"""Options and arguments that several commands share, as decorators, so that they mean the same everywhere.

I/O: standard input, when a command's NODES are `-`.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from plabctl.cli.candidates import complete_choice, complete_choice_or_pool, complete_pools
from plabctl.cli.time_types import Instant
from plabctl.clock import SystemClock
from plabctl.errors import Refused, UsageFault

Function = Callable[..., Any]
"""What click calls: it takes the options by name."""
Made = TypeVar("Made")
Maker = Callable[[Function], Made]

_MAX_ACTOR = 100
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def make_command(
    name: str, *, example: str, parent: click.Group | None = None, cls: type[click.Command] = click.Command
) -> Maker[click.Command]:
    """Make a click command, under `parent` if given; its help begins with one line, and then `example`."""

    def make(function: Function) -> click.Command:
        text = build_help(function, example)
        # The whole first line also in the list of a group, where click would cut it short.
        first = text.partition("\n")[0]
        made: click.Command = click.command(name, help=text, short_help=first, context_settings=CONTEXT, cls=cls)(
            function
        )
        if parent:
            parent.add_command(made)
        return made

    return make


def make_group(name: str, *, example: str) -> Maker[click.Group]:
    """Make a group of click commands; its help begins with one line, and then `example`."""

    def make(function: Function) -> click.Group:
        return click.group(name, help=build_help(function, example), context_settings=CONTEXT)(function)

    return make


def build_help(function: Callable[..., Any], example: str) -> str:
    """Return the help of a command: its first line, the example, then the rest of its docstring."""
    first, _, rest = (function.__doc__ or "").strip().partition("\n")
    lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
    tidy = "\n".join(line.strip() for line in rest.strip().splitlines())
    return f"{first}\n\n\b\n{lines}\n\n{tidy}".rstrip()


def config_option(function: Function) -> Function:
    """Add `--config` and `-c`; given before the command's name it means the same."""
    return _add_config(function, "--config", "-c")


def long_config_option(function: Function) -> Function:
    """Add `--config` to a command in which `-c` means something else."""
    return _add_config(function, "--config")


def _add_config(function: Function, *names: str) -> Function:
    return click.option(
        *names,
        metavar="PATH",
        callback=lambda ctx, _param, value: value or ctx.find_root().params.get("config"),
        help="The configuration file (default: the first one found).",
    )(function)


def source_option(function: Function) -> Function:
    """Add `--from`."""
    return click.option(
        "--from",
        "sources",
        metavar="SOURCE",
        multiple=True,
        help="Read a status file, the directory or address of a page, or another configuration; may be repeated, and "
        "be NAME=SOURCE.",
    )(function)


def output_options(*forms: str) -> Maker[Function]:
    """Add `-o`, `--header` and `--color` for these forms."""

    def decorate(function: Function) -> Function:
        function = pager_option(color_option(function))
        if "tsv" in forms:
            function = click.option("--header", is_flag=True, help="Start TSV with the names of its columns.")(function)
        return click.option(
            "-o",
            "--output",
            "form",
            type=click.Choice(forms),
            help="Output format (default: table on a terminal, else tsv).",
        )(function)

    return decorate


def listing_options(function: Function) -> Function:
    """Add `-o` with all forms of a listing, `--header` and `--color`."""
    from plabctl.render.listing import FOR_PEOPLE, FORMS

    return output_options(*FOR_PEOPLE, *FORMS)(function)


def pager_option(function: Function) -> Function:
    """Add `--no-pager`, which needs no parameter: it holds for the whole process."""
    return click.option(
        "--no-pager",
        is_flag=True,
        expose_value=False,
        callback=lambda _ctx, _param, value: os.environ.update(PAGER="cat") if value else None,
        help="Do not use a pager for what is longer than the screen.",
    )(function)


def color_option(function: Function) -> Function:
    """Add `--color`."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="When to use colour (default: auto).",
    )(function)


def quiet_option(function: Function) -> Function:
    """Add `-q`."""
    return click.option("-q", "--quiet", is_flag=True, help="Print nothing on success.")(function)


def yes_option(function: Function) -> Function:
    """Add `--yes`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")(function)


def reason_option(function: Function) -> Function:
    """Add `--reason`, which must be given."""
    return click.option("--reason", "-r", metavar="TEXT", required=True, help="The reason; it is kept in the history.")(
        function
    )


def if_rev_option(function: Function) -> Function:
    """Add `--if-rev`."""
    return click.option(
        "--if-rev",
        metavar="REV",
        type=click.IntRange(min=0),
        help="Only if the nodes have not changed since this `rev` of `status -o json`.",
    )(function)


def for_option(function: Function) -> Function:
    """Add `--for`: a duration or an instant, which must be yet to come."""
    return click.option(
        "--for",
        "until_at",
        metavar="WHEN",
        type=Instant(ahead=True),
        callback=_check_ahead,
        help="How long (90m, 2d) or until when (14:30, 2026-12-01, 2026-12-01T10:00Z; local time without a zone). "
        "Default: until released.",
    )(function)


def _check_ahead(_ctx: click.Context, _param: click.Parameter, until_at: float | None) -> float | None:
    if until_at is not None and until_at <= SystemClock().now():
        raise click.BadParameter("that is in the past")
    return until_at


def pool_option(function: Function) -> Function:
    """Add `-p`, which limits a listing to pools."""
    return click.option(
        "-p", "--pool", "pools", multiple=True, shell_complete=complete_pools, help="Only nodes in this pool."
    )(function)


def nodes_argument(*, required: bool, before_pool: bool = False) -> Maker[Function]:
    """Add `NODES`: what `plabctl.core.selection` understands; `-` reads words from standard input."""
    return click.argument(
        "nodes",
        nargs=-1,
        required=required,
        callback=lambda _ctx, _param, value: read_words(value),
        shell_complete=complete_choice_or_pool if before_pool else complete_choice,
    )


def read_words(given: Sequence[str]) -> tuple[str, ...]:
    """Return the words, with those of standard input in place of a `-`; a `#` there begins a remark."""
    found: list[str] = []
    for word in given:
        found.extend(_read_stdin() if word == "-" else [word])
    if given and not found:
        raise UsageFault("standard input names no node")
    return tuple(found)


def _read_stdin() -> list[str]:
    # Windows begins a text with a mark.
    return [word for line in sys.stdin for word in line.partition("#")[0].removeprefix("\ufeff").split()]


def find_actor() -> str:
    """Return the name of whoever gives the order: of the person behind sudo, if it is one."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return _find_user_number()
    # Whoever calls sets the variables that these names come from, to anything.
    return name if name.isprintable() and len(name) <= _MAX_ACTOR else _find_user_number()


def _find_user_number() -> str:
    return f"uid {os.getuid()}"


def confirm(
    question: str, *, yes: bool, why: str = "this changes several nodes", refusal: str = "nothing was changed"
) -> None:
    """Ask on a terminal; elsewhere `--yes` must have been given. Raise UsageFault without it, Refused for a no.

    `why` is the reason for the question, `refusal` what a no leads to.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageFault(f"{why}: {question}", hint="confirm it with --yes")
    if not click.confirm(question, err=True):
        raise Refused(refusal)
