"""`plabctl config`: look the configuration over, show what holds, print one to begin with.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import click

from plabctl.app import configuration
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, make_group
from plabctl.config.effective import format_effective as as_toml
from plabctl.render.listing import Listing

_EXAMPLE = """\
plabctl config check
plabctl config show
plabctl config sample > plabctl.toml
"""


@make_group("config", example=_EXAMPLE)
def command() -> None:
    """Check the configuration, show the values in force, print a sample."""


@make_command("check", example="plabctl config check", parent=command)
@config_option
def check(config: str | None) -> None:
    """Report all configuration errors, or that there are none, and what is allowed but hardly meant."""
    settings = configuration.check(config)
    for doubt in configuration.list_doubts(settings):
        output.write_note(doubt)
    output.write_line(f"{settings.path}: no errors found")


@make_command("show", example="plabctl config show -o json", parent=command)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["toml", "tsv", "json"]),
    default="toml",
    help="Output format (default: toml).",
)
@config_option
def show(form: str, config: str | None) -> None:
    """Show the value of every key, and where it comes from: the default, or a line of the file."""
    items = configuration.show(config)
    if form == "toml":
        output.write([as_toml(items)])
    else:
        output.show_listing(Listing("keys", items, ("key", "value", "origin")), output.Form(form))


@make_command("sample", example="plabctl config sample > plabctl.toml", parent=command)
def sample() -> None:
    """Print a commented configuration with every key and its default."""
    output.write([configuration.build_sample_text()])
