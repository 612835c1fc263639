"""`plabctl history`: what happened, oldest first.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from plabctl.app import history_queries, queries
from plabctl.cli import output
from plabctl.cli.options import config_option, listing_options, make_command, nodes_argument
from plabctl.cli.time_types import Duration
from plabctl.render import event_table
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.app.history_queries import HistoryPage

_EXAMPLE = """\
plabctl history --since 7d
plabctl history pc1.example.org -o csv
plabctl history --follow
"""
_LATEST = 1000
_PACE_S = 1.0


@make_command("history", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option("--since", "since_s", metavar="DURATION", type=Duration(), help="How far back, such as 12h or 7d.")
@click.option("--limit", "-n", type=click.IntRange(0), help=f"Only the latest N events ({_LATEST} without --since).")
@click.option("--follow", "-f", is_flag=True, help="Keep running and show new events.")
@listing_options
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
    """Show what happened, oldest first: tests, moves between pools, commands.

    A name that no node has now is looked up in the history, which keeps removed nodes.
    """
    context = queries.read_context(config)
    names = queries.list_chosen_or_gone(context, nodes) if nodes else None
    how = output.choose_form(form, header=header, color=color)
    since = None if since_s is None else context.now - since_s
    most = limit if limit is not None or since is not None else _LATEST
    how = replace(how, pages=not follow)
    found = history_queries.read_events(context, names, since, most)
    _show(found, how)
    if follow:
        quiet = replace(how, name="jsonl" if how.name == "json" else how.name, header=False)
        for more in history_queries.follow_events(context, names, found.place):
            _show(more, quiet, titles=False)
            output.flush()
            time.sleep(_PACE_S)


def _show(found: HistoryPage, how: output.Form, *, titles: bool = True) -> None:
    if found.skipped_count:
        output.write_note(event_table.format_skipped(found.skipped_count))
    if titles or found.events:
        output.show_listing(
            event_table.build_listing(found.events, titles=titles, skipped_count=found.skipped_count), how
        )
