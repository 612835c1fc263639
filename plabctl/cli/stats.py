"""`plabctl stats`: how usable nodes were in a span of time, and where they were at an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from plabctl.app import queries, stats_queries
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, nodes_argument, output_options, pool_option, source_option
from plabctl.cli.time_types import Instant
from plabctl.clock import SystemClock
from plabctl.core.selection import build_unknown_node_error
from plabctl.core.stats.replay import Past, PastNode
from plabctl.core.stats.tally import Span
from plabctl.errors import UsageFault
from plabctl.render import stats_table
from plabctl.render.listing import FOR_PEOPLE, FORMS, Listing
from plabctl.views.node import ViewContext
from plabctl.views.past_places import view_places
from plabctl.views.stats import choose_past_nodes, view_stats

_EXAMPLE = """\
plabctl stats
plabctl stats @bad --since 7d
plabctl stats --since 2026-11-01 --until 2026-12-01 --by site -o csv
plabctl stats @bad --since 7d -o svg > bad.svg
plabctl stats --at 'yesterday 14:30' -p good -o name
plabctl stats --from plabctl.toml --by site
"""
_DAYS_S = 30 * 86400.0
_LEAST_S = 1.0
_PICTURE = "svg"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for."""

    nodes: tuple[str, ...]
    pools: tuple[str, ...]
    since: float | None
    until: float | None
    at: float | None
    by: str | None


@make_command("stats", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option(
    "--since", metavar="INSTANT", type=Instant(), help="Where the span begins, such as 7d or 2026-11-01 (30d)."
)
@click.option("--until", metavar="INSTANT", type=Instant(), help="Where the span ends (default: now).")
@click.option("--by", metavar="site|LABEL", help="Compare sites, or groups of nodes with an equal label.")
@click.option("--at", metavar="INSTANT", type=Instant(), help="Where nodes were at an instant, such as 2d or 14:30.")
@pool_option
@output_options(*FOR_PEOPLE, *FORMS, _PICTURE)
@source_option
@config_option
def command(
    form: str | None, *, header: bool, color: str, sources: tuple[str, ...], config: str | None, **asked: Any
) -> int:
    """Show how usable nodes were, the worst first.

    Shares are of the time in which a node was known. An outage is a stretch of time out of good, unless the first
    retest refuted the failure. SEEN IN is from when a node broke to when it left good, BACK IN from when it worked
    again to when it returned: bounds, as it happened between two tests.

    -o svg draws a row for each node, those of a site together, with what it was at each time.

    With --at: which nodes were good and usable then; -p limits the list to a pool, as it was then.

    With --from, it is about several monitors: by pages, which tell of the last 30 days (`[report] days`), or by
    configurations on this machine, of which any span is read. --by monitor compares them. What is old or cannot be read
    is told and hides no other; the exit code is 1 when one cannot be read, and 74 when none can.
    """
    question = _Asked(**asked)
    if sources:
        return _show_several(sources, question, form, output.choose_form(form, header=header, color=color))
    context = queries.read_context(config)
    if form == _PICTURE:
        output.write([_draw(context, question)])
    else:
        listing = _build_listing(context, question)
        output.show_listing(listing, output.choose_form(form, header=header, color=color))
    return 0


def _show_several(sources: tuple[str, ...], asked: _Asked, form: str | None, how: output.Form) -> int:
    from plabctl.app.several_stats import StatsAsked, read_several_stats

    if asked.at is not None or form == _PICTURE:
        what = "-o svg" if asked.at is None else "--at"
        raise UsageFault(f"{what} needs the history of one monitor", hint="give its --config, on its machine")
    now = SystemClock().now()
    is_any_span = asked.since is None and asked.until is None
    wanted = StatsAsked(_choose_span(asked, now), is_any_span, asked.nodes, asked.pools, asked.by)
    found = read_several_stats(sources, wanted)
    output.show_listing(stats_table.build_listing(found.head, found.views, found.notes), how, found.notes)
    return int(found.is_partial)


def _draw(context: ViewContext, asked: _Asked) -> str:
    from plabctl.render.drawing_strips import draw_outages
    from plabctl.views.curves import view_strips

    if asked.at is not None or asked.by is not None:
        raise UsageFault("-o svg draws nodes over a span of time, and goes with neither --at nor --by")
    past, nodes = _find_nodes(context, asked, keeps_trails=True)
    return draw_outages(view_strips(past, nodes).values(), past.span.since, past.span.until).format_file()


def _build_listing(context: ViewContext, asked: _Asked) -> Listing:
    past, nodes = _find_nodes(context, asked)
    if asked.at is not None:
        return stats_table.build_places_listing(*view_places(context, past, nodes, asked.pools))
    if asked.by not in {None, "site"} and nodes and not any(asked.by in node.variables for node in nodes.values()):
        raise UsageFault(f"no node has the label {asked.by!r}", hint="see: plabctl show NODE")
    return stats_table.build_listing(*view_stats(context, past, nodes, asked.by))


def _find_nodes(
    context: ViewContext, asked: _Asked, *, keeps_trails: bool = False
) -> tuple[Past, Mapping[str, PastNode]]:
    """Return the past, and of it the nodes that are asked for; with --at, those of all pools."""
    queries.check_pool_names(context, asked.pools)
    span = _choose_span(asked, context.now)
    names = set(queries.list_chosen_or_gone(context, asked.nodes)) if asked.nodes else None
    past = stats_queries.read_past(context, span, keeps_trails=keeps_trails)
    for name in sorted((names or set()) - past.nodes.keys()):
        if context.state.node(name) is None:
            raise build_unknown_node_error(name, context.state)
    nodes = choose_past_nodes(context, past, names)
    if asked.pools and asked.at is None:
        there = set(queries.list_chosen(context, (), asked.pools))
        nodes = {name: node for name, node in nodes.items() if name in there}
    return past, nodes


def _choose_span(asked: _Asked, now: float) -> Span:
    if asked.at is not None:
        if asked.since is not None or asked.until is not None or asked.by is not None:
            raise UsageFault("--at is for one instant, and goes with none of --since, --until and --by")
        if asked.at > now:
            raise UsageFault("--at is in the future")
        return Span(asked.at, asked.at)
    until = now if asked.until is None else min(asked.until, now)
    since = until - _DAYS_S if asked.since is None else asked.since
    if until - since < _LEAST_S:
        raise UsageFault("the span is empty: --since must be before --until and before now")
    return Span(since, until)
