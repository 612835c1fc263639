"""`plabctl experiment`: vnodes on many nodes, set up and kept by the ticks."""

from __future__ import annotations

from typing import Any

import click

from plabctl.app import queries
from plabctl.app import swap_experiments as use
from plabctl.cli import output, swap
from plabctl.cli.candidates import complete_choice, complete_experiments, complete_recipes
from plabctl.cli.options import (
    config_option,
    listing_options,
    make_command,
    make_group,
    quiet_option,
    read_words,
    yes_option,
)
from plabctl.cli.time_types import Duration
from plabctl.render import experiment_tables as views

_EXAMPLE = """\
plabctl experiment swapin web --nodes pc1.example.org
plabctl experiment show web
plabctl experiment swapout web --wait
"""
_IN = """\
plabctl experiment swapin web --nodes pc1.example.org --wait
plabctl experiment swapin web --count 20 --at-most --spread site --wait
plabctl experiment swapin monitor --all-nodes --match site=north
plabctl experiment swapin web --nodes '@good' --yes --hook 'logger -t web'
"""
_OUT = """\
plabctl experiment swapout web
plabctl experiment swapout web --wait --timeout 10m
plabctl experiment swapout web --force
"""


@make_group("experiment", example=_EXAMPLE)
def command() -> None:
    """Set up vnodes on many nodes, keep them up, and tear them down."""


@make_command("swapin", example=_IN, parent=command)
@click.argument("name")
@click.option(
    "--nodes",
    "nodes",
    metavar="NODES",
    multiple=True,
    callback=lambda _ctx, _param, value: read_words(value),
    shell_complete=complete_choice,
    help="On these nodes: NODES as for other commands, with commas between them; - reads standard input.",
)
@click.option("--count", metavar="K", type=click.IntRange(1), help="On the K steadiest usable nodes.")
@click.option(
    "--spread", metavar="LABEL", default="", help="With --count: spread them evenly over the values of LABEL."
)
@click.option("--at-most", is_flag=True, help="With --count: accept fewer while there are not enough.")
@click.option("--all-nodes", is_flag=True, help="On every usable node, including those that join or return later.")
@click.option("--match", metavar="LABEL=VALUE", multiple=True, help="With --all-nodes: only those with this label.")
@click.option(
    "--recipe",
    metavar="RECIPE",
    default="",
    shell_complete=complete_recipes,
    help="The recipe (default: the configured one).",
)
@click.option(
    "--hook", metavar="COMMAND", default="", help="A command to run, without a shell, for each of its events."
)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@click.option("--wait", "-w", is_flag=True, help="Set them up now, and wait until all are up.")
@click.option(
    "--timeout", "timeout_s", metavar="DURATION", type=Duration(), help="With --wait: the longest time to wait."
)
@yes_option
@quiet_option
@listing_options
@config_option
def swapin(
    *,
    name: str,
    reason: str,
    wait: bool,
    timeout_s: float | None,
    yes: bool,
    quiet: bool,
    form: str | None,
    header: bool,
    color: str,
    config: str | None,
    **wishes: Any,
) -> int:
    """Swap an experiment in: a vnode on each of its nodes, set up by the ticks and kept up until it is swapped out.

    With --wait this command sets them up itself, within the window, until all are up or --timeout has passed; without
    --timeout, until each was tried once. It exits with 0 if all are up; else with 1, and lists those that are not. In
    any case the ticks keep trying.

    -o json prints the experiment with its members, jsonl a line whenever their states change, and the other formats the
    members that are not up.
    """
    how = swap.build_swap_options(
        config, reason, wait=wait, timeout_s=timeout_s, form=form, header=header, color=color, quiet=quiet
    )
    return swap.swap_in(use.parse_experiment(name, **wishes), how, yes=yes)


@make_command("swapout", example=_OUT, parent=command)
@click.argument("name", shell_complete=complete_experiments)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@click.option("--wait", "-w", is_flag=True, help="Tear them down now, and wait until all are gone.")
@click.option(
    "--timeout", "timeout_s", metavar="DURATION", type=Duration(), help="With --wait: the longest time to wait."
)
@click.option(
    "--force", is_flag=True, help="Tear nothing down: forget the experiment, and list the vnodes that may be left."
)
@quiet_option
@listing_options
@config_option
def swapout(
    *,
    name: str,
    reason: str,
    wait: bool,
    timeout_s: float | None,
    force: bool,
    quiet: bool,
    form: str | None,
    header: bool,
    color: str,
    config: str | None,
) -> int:
    """Swap an experiment out: tear down every vnode, retrying until it succeeds, then forget the experiment.

    With --wait this command tears them down itself, within the window, until all are gone or --timeout has passed;
    without --timeout, until each was tried once. It exits with 0 if all are gone; else with 1, and lists those that are
    not. In any case the ticks keep trying.
    """
    how = swap.build_swap_options(
        config, reason, wait=wait, timeout_s=timeout_s, form=form, header=header, color=color, quiet=quiet
    )
    return swap.swap_out(name, how, force=force)


@make_command("list", example="plabctl experiment list -o json", parent=command)
@listing_options
@config_option
def list_(form: str | None, header: bool, color: str, config: str | None) -> None:
    """List the experiments with how many of their vnodes are up."""
    output.show_listing(
        views.build_listing(queries.read_context(config)), output.choose_form(form, header=header, color=color)
    )


@make_command("show", example="plabctl experiment show web", parent=command)
@click.argument("name", shell_complete=complete_experiments)
@listing_options
@config_option
def show(name: str, form: str | None, header: bool, color: str, config: str | None) -> None:
    """Show one experiment: the state, node, vnode, tries and last error of each member."""
    context = queries.read_context(config)
    output.show_listing(
        views.build_experiment_listing(context, name), output.choose_form(form, header=header, color=color)
    )
