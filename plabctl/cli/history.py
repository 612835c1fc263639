"""`plabctl history`: what happened, oldest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.options import Duration, config_option, nodes_argument, output_options, verb
from plabctl.report import happened

if TYPE_CHECKING:
    from plabctl.app.stories import Happened

_EXAMPLE = """\
plabctl history --since 7d
plabctl history pc1.example.org -o csv
plabctl history --follow
"""
_LATEST = 1000
_PACE_S = 1.0


@verb("history", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option("--since", "since_s", metavar="DURATION", type=Duration(), help="How far back, such as 12h or 7d.")
@click.option("--limit", "-n", type=click.IntRange(0), help=f"The latest N events; {_LATEST} without --since.")
@click.option("--follow", "-f", is_flag=True, help="Stay and show what happens.")
@output_options("table", "wide", "tsv", "json", "jsonl", "csv", "name")
@config_option
def command(
    nodes: tuple[str, ...],
    since_s: float | None,
    limit: int | None,
    follow: bool,
    form: str | None,
    header: bool,
    color: str,
    config: str | None,
) -> None:
    """Show what happened, oldest first: tests, moves between pools, orders.

    NODES are names, globs or @POOL, of nodes that are there now; a name that is none of these is looked for in the
    history, where nodes stay when they are removed.
    """
    from plabctl.app import stories  # noqa: PLC0415 - the history, which --help can spare

    situation = queries.look(config)
    names = queries.chosen_or_gone(situation, nodes) if nodes else None
    how = output.choose_form(form, header=header, color=color)
    since = None if since_s is None else situation.now - since_s
    most = limit if limit is not None or since is not None else _LATEST
    found = stories.events(situation, names, since, most)
    _show(found, how)
    if follow:
        quiet = output.Form("jsonl" if how.name == "json" else how.name, header=False, color=how.color)
        for more in stories.follow(situation, names, found.place):
            _show(more, quiet, titles=False)
            output.flush()
            time.sleep(_PACE_S)


def _show(found: Happened, how: output.Form, *, titles: bool = True) -> None:
    if found.skipped_count:
        output.note(happened.skipped_note(found.skipped_count))
    if titles or found.events:
        output.show(happened.listing(found.events, titles=titles, skipped_count=found.skipped_count), how)
