"""`plabctl rank`: the steadiest nodes first.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.options import config_option, listing_options, make_command, pool_option, source_option
from plabctl.render import rank_table

_EXAMPLE = """\
plabctl rank
plabctl rank --top 10 -o name
plabctl rank -p bad -o json
"""


@make_command("rank", example=_EXAMPLE)
@click.option("--top", "-n", metavar="K", type=click.IntRange(1), help="Only the K steadiest.")
@pool_option
@listing_options
@source_option
@config_option
def command(
    *,
    top: int | None,
    pools: tuple[str, ...],
    form: str | None,
    header: bool,
    color: str,
    sources: tuple[str, ...],
    config: str | None,
) -> int:
    """Rank the usable nodes, the steadiest first, with the reasons.

    The score is the share of recent time that a node spent in good (a week ago counts half), reduced for flapping. An
    experiment with --count takes nodes in this order.

    With --from, nodes of pages, or of other configurations, are ranked together; a status file does not say enough.
    """
    how = output.choose_form(form, header=header, color=color)
    if sources:
        return _rank_several(sources, pools, top, how)
    context = queries.read_context(config)
    queries.check_pool_names(context, pools)
    output.show_listing(rank_table.build_listing(context, pools, top), how)
    return 0


def _rank_several(sources: tuple[str, ...], pools: tuple[str, ...], top: int | None, how: output.Form) -> int:
    from plabctl.app.several_ranking import rank_several

    found = rank_several(sources, pools, top)
    listing = rank_table.build_ranking_listing(found.ranking, found.head, found.notes)
    output.show_listing(listing, how, found.notes)
    return int(found.is_partial)
