"""`plabctl history`: what happened, oldest first.

Tests: `tests/cli/test_history.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from plabctl.app import history_queries, queries
from plabctl.cli import output
from plabctl.cli.candidates import complete_experiments
from plabctl.cli.options import Function, config_option, listing_options, make_command, nodes_argument
from plabctl.cli.time_types import Instant
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.probe import Cause
from plabctl.errors import UsageFault
from plabctl.render import event_table
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.app.history_queries import EventWalk
    from plabctl.core.model import Event
    from plabctl.views.node import ViewContext

_EXAMPLE = """\
plabctl history --since 7d
plabctl history --since yesterday --until today --kind transition
plabctl history pc1.example.org --cause connect -o csv
plabctl history --follow
"""
_CAUSES = (*Cause, "passed", "guard", "operator")
_LATEST = 1000
_PACE_S = 1.0


def _check_words(
    what: str, known: Iterable[str]
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], object]:
    """Return what takes the words apart that an option was given, and refuses those that are none of `known`."""

    def check(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
        words = tuple(word.strip() for each in given for word in each.split(","))
        for word in words:
            if word not in known:
                from plabctl.core.selection import suggest_name

                raise UsageFault(
                    f"there is no {what} {word!r}", hint=suggest_name(word, known, f"they are: {', '.join(known)}")
                )
        return words or None

    return check


def _offer(known: Iterable[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return what TAB offers: those of `known` that begin with what was typed."""
    return lambda _ctx, _param, incomplete: [word for word in known if word.startswith(incomplete)]


def _selecting_options(function: Function) -> Function:
    """Add the options that select events by what they are."""
    for option in (
        click.option(
            "--experiment",
            "-e",
            "experiments",
            metavar="NAME",
            multiple=True,
            shell_complete=complete_experiments,
            help="Only events of this experiment.",
        ),
        click.option(
            "--cause",
            "causes",
            metavar="CAUSE",
            multiple=True,
            callback=_check_words("cause", _CAUSES),
            shell_complete=_offer(_CAUSES),
            help="Only tests and moves with this cause, such as connect.",
        ),
        click.option(
            "--kind",
            "-k",
            "kinds",
            metavar="KIND",
            multiple=True,
            callback=_check_words("kind of event", EVENT_KINDS),
            shell_complete=_offer(EVENT_KINDS),
            help="Only events of this kind, such as transition.",
        ),
    ):
        function = option(function)
    return function


@make_command("history", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option(
    "--since",
    metavar="TIME",
    type=Instant(),
    help="Only what happened since then: 12h or 7d ago, a date, an instant, yesterday, today.",
)
@click.option("--until", metavar="TIME", type=Instant(), help="Only what happened before then.")
@_selecting_options
@click.option(
    "--limit", "-n", type=click.IntRange(0), help=f"Only the latest N events ({_LATEST} without --since or --until)."
)
@click.option("--follow", "-f", is_flag=True, help="Keep running and show new events.")
@listing_options
@config_option
def command(
    *,
    nodes: tuple[str, ...],
    since: float | None,
    until: float | None,
    kinds: tuple[str, ...] | None,
    causes: tuple[str, ...] | None,
    experiments: tuple[str, ...],
    limit: int | None,
    follow: bool,
    form: str | None,
    header: bool,
    color: str,
    config: str | None,
) -> None:
    """Show what happened, oldest first: tests, moves between pools, commands.

    A name that no node has now is looked up in the history, which keeps removed nodes. Options that select may be
    repeated; a date is the start of that day, local time unless a zone is given. The history can also be read with SQL:
    see docs/history.md.
    """
    if until is not None and follow:
        raise UsageFault("--follow shows what happens from now on, so --until cannot be given with it")
    if since is not None and until is not None and until <= since:
        raise UsageFault("--until must be later than --since")
    context = queries.read_context(config)
    names = queries.list_chosen_or_gone(context, nodes) if nodes else None
    how = output.choose_form(form, header=header, color=color)
    most = limit if limit is not None or since is not None or until is not None else _LATEST
    asked = history_queries.Question(names, kinds, causes, experiments or None, since, until, limit=most)
    how = replace(how, pages=not follow)
    place = history_queries.find_newest_place(context) if follow else 0
    found = history_queries.EventWalk(context, asked)
    _show(found, how)
    if names and not found.place and not (kinds or causes or experiments or follow or since or until):
        _tell_unknown(context, names)
    if follow:
        _follow(history_queries.follow_events(context, asked, max(place, found.place)), how)


def _show(found: EventWalk, how: output.Form) -> None:
    """Show what is found: to people as a table, for which all rows are read first, to programs row by row."""
    head: dict[str, object] = {}
    if how.is_for_people:
        events = list(found)
        _tell_skipped(found.skipped_count)
        output.show_listing(event_table.build_listing(events), how)
        return

    def walk() -> Iterator[Event]:
        yield from found
        if found.skipped_count:
            head["skipped_count"] = found.skipped_count

    output.show_listing(event_table.build_listing(walk(), head=head), how)
    _tell_skipped(found.skipped_count)


def _follow(pages: Iterable[tuple[list[Event], int]], how: output.Form) -> None:
    """Show page after page, a second apart, until somebody ends it."""
    quiet = replace(how, name="jsonl" if how.name == "json" else how.name, header=False)
    for events, skipped_count in pages:
        _tell_skipped(skipped_count)
        if events:
            output.show_listing(event_table.build_listing(events, titles=False), quiet)
        output.flush()
        time.sleep(_PACE_S)


def _tell_unknown(context: ViewContext, names: Iterable[str]) -> None:
    """Say which of the names of which nothing happened no node has: it may be a typing error."""
    from plabctl.core.selection import build_unknown_node_error, find_name

    for name in names:
        if find_name(name, context.state) is None:
            error = build_unknown_node_error(name, context.state)
            output.write_note(f"plabctl: {error}, now or in the history\n  hint: {error.hint}")


def _tell_skipped(count: int) -> None:
    if count:
        output.write_note(event_table.format_skipped(count))
