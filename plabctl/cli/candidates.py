"""What TAB offers for nodes and pools.

I/O: reads the state as every reading command does. A fault means that nothing is offered: TAB is no place for errors.
Tests: `tests/cli/test_completion.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from plabctl.errors import PlabctlError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from plabctl.views.node import ViewContext


def complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of nodes that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.state.names() if context else ())


def complete_pools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of pools that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.settings.pools if context else ())


def complete_faults(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what `--fail-on` takes: the names of pools, and `unusable`."""
    from plabctl.app.queries import UNUSABLE

    context = _read_context(ctx)
    return _build_items(incomplete, (*context.settings.pools, UNUSABLE) if context else ())


def complete_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of recipes that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.settings.recipes if context else ())


def complete_experiments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of experiments that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.state.experiments if context else ())


def complete_choice(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what NODES may go on with: names, and once they are begun `@pool` and `label=value`.

    What stands before the last comma stays as it is, and so does a `!`.
    """
    context = _read_context(ctx)
    before, comma, last = incomplete.rpartition(",")
    excluded = "!" if last.startswith("!") else ""
    found = _build_items(last.removeprefix("!"), _list_words(context, last.removeprefix("!")) if context else ())
    for item in found:
        item.value = f"{before}{comma}{excluded}{item.value}"
    return found


def complete_choice_or_pool(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what NODES or, after the first of them, a POOL at their end may go on with."""
    # What comes last is taken for the pool while it is the last.
    is_begun = bool(ctx.params.get("nodes") or ctx.params.get("pool"))
    return [
        *complete_choice(ctx, param, incomplete),
        *(complete_pools(ctx, param, incomplete) if is_begun else ()),
    ]


def _list_words(context: ViewContext, begun: str) -> Iterable[str]:
    """Return the words of the kind that is begun."""
    if begun.startswith("@"):
        return {f"@{pool}" for pool in (*context.settings.pools, "usable")}
    label, equals, _ = begun.partition("=")
    if not equals:
        return context.state.names()
    values = (node.variables.get(label) for node in context.state.nodes())
    return {f"{label}={value}" for value in values if value is not None}


def _read_context(ctx: click.Context) -> ViewContext | None:
    # Imported here: every command line with NODES imports this module, and only TAB calls it.
    from plabctl.app.queries import read_context

    try:
        return read_context(ctx.params.get("config") or ctx.find_root().params.get("config"))
    except (PlabctlError, OSError):
        return None


def _build_items(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
