"""The command line as click sees it: one group, whose commands are modules that are imported when they are used.

I/O. What goes wrong is told in `error_report`. To add a command, write a module with a `command` in it and a line here.
Tests: `tests/cli/test_help.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

import click

from plabctl import __version__
from plabctl.cli.options import CONTEXT
from plabctl.errors import PlabctlError, UsageFault

_OUTSIDE = {"demo": "plabctl.demo.demo_command", "simulate": "plabctl.sim.simulate_command"}
"""The modules of the commands that are no part of `plabctl/cli/`: what is only for them stands beside them."""
COMMANDS: dict[str, dict[str, str]] = {
    "Look": {
        "status": "Which nodes are good, which are bad, and why.",
        "show": "One node in detail, in words.",
        "explain": "Why a node is where it is, and what would move it.",
        "history": "What happened, oldest first.",
        "metrics": "The figures that Prometheus stores.",
        "stats": "How usable nodes were in a span of time, and why not.",
        "pool": "The pools and their rules: list, show.",
        "report": "A page with all nodes for a browser.",
    },
    "Change": {
        "node": "The nodes: add, set, rm, list, import.",
        "inventory": "Where nodes come from: show, sync.",
        "move": "Move nodes to another pool.",
        "retest": "Test nodes next, before all others.",
        "hold": "Keep nodes in their pools.",
        "release": "Let tests move held nodes again.",
        "trust": "Accept the host keys of nodes.",
    },
    "Use": {
        "experiment": "Vnodes on many nodes: swapin, swapout, list, show.",
        "rank": "The steadiest nodes first, and why.",
        "export": "The nodes for other tools: ansible, ssh-config, nodeset, csv.",
    },
    "Run": {
        "tick": "Test the nodes that are due and move them; for cron.",
        "test": "Run the set-up test on one node and show each stage.",
        "worker": "Make tests for a monitor on another machine.",
        "cron": "The crontab line: print, install, remove, check.",
        "sink": "What plabctl keeps in line, such as Slurm: sync.",
        "notify": "Notices to people: test.",
        "check": "Report in one line whether all is well; a Nagios plug-in.",
    },
    "Set up": {
        "demo": "A small testbed on this machine, to see how it works.",
        "init": "Write a commented configuration file.",
        "config": "The configuration: check, show, sample.",
        "simulate": "What each policy would cost and achieve.",
        "doctor": "Find what is wrong with the installation, and repair it.",
        "completion": "The completion script for bash, zsh or fish.",
    },
}
"""The commands with their short helps, which stand here so that `plabctl --help` imports none of them."""

_WORDS = {"help": "--help", "version": "--version"}
"""What some type in place of an option: `plabctl help status`."""
_EXAMPLE = """\
Know which machines really work: plabctl sets a virtual node up on each, again and again.

\b
  plabctl demo
  plabctl init
  plabctl node add pc1.example.org pc2.example.org
  plabctl status

Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 74 state not readable or writable, 75 busy, try again,
78 wrong configuration, 130 or 143 interrupted.
"""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order in which they are shown."""
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of that name; None when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found = import_module(_OUTSIDE.get(cmd_name, f"plabctl.cli.{cmd_name}")).command
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with the nearest name."""
        name = args[0]
        is_asked_by_shell = ctx.resilient_parsing
        if not (is_asked_by_shell or name.startswith("-") or name in self.list_commands(ctx)):
            from plabctl.core.selection import find_nearest

            like = find_nearest(name, self.list_commands(ctx))
            raise UsageFault(
                f"no command is named {name!r}",
                hint=f"the nearest is: plabctl {like}" if like else "the commands: plabctl --help",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing any."""
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(list(section.items()), col_max=12)


@click.group(cls=LazyGroup, invoke_without_command=True, help=_EXAMPLE, context_settings=CONTEXT)
@click.option("--config", "-c", metavar="PATH", help="The configuration file (default: the first one found).")
@click.version_option(__version__, message="plabctl %(version)s")
@click.pass_context
def plabctl(ctx: click.Context, config: str | None) -> None:
    """Show the help when no command is given."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code, or raise PlabctlError."""
    if "_PLABCTL_COMPLETE" in os.environ:
        plabctl.main(prog_name="plabctl")  # answers the shell and exits
    if arguments and (meant := _WORDS.get(arguments[0])):
        arguments = [*arguments[1:], meant]
    try:
        # Not `main`, which has a way of its own with broken pipes and Ctrl-C; ours is `faults`.
        with plabctl.make_context("plabctl", list(arguments)) as ctx:
            result = plabctl.invoke(ctx)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.UsageError as error:
        raise UsageFault(_format_click_error(error), hint=_find_usage_hint(error, arguments)) from error
    except click.ClickException as error:
        raise PlabctlError(_format_click_error(error)) from error
    return result if isinstance(result, int) else 0


def _format_click_error(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _find_usage_hint(error: click.UsageError, arguments: Sequence[str]) -> str:
    if error.ctx:
        return f"{error.ctx.command_path} --help"
    # The parser of options does not say whose they are.
    context = click.Context(plabctl)
    words: list[str] = ["plabctl"]
    command: click.Command = plabctl
    for word in arguments:
        if isinstance(command, click.Group) and (found := command.get_command(context, word)):
            words.append(word)
            command = found
    return f"{' '.join(words)} --help"
