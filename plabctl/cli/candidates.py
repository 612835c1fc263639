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
    context = _read_context(ctx)
    return _build_items(incomplete, (*context.settings.pools, "unusable") if context else ())


def complete_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of recipes that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.settings.recipes if context else ())


def complete_experiments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of experiments that begin with what was typed."""
    context = _read_context(ctx)
    return _build_items(incomplete, context.state.experiments if context else ())


def complete_nodes_and_pools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return nodes, or `@usable` and pools with an `@` before them once that is typed."""
    if not incomplete.startswith("@"):
        return complete_nodes(ctx, param, incomplete)
    context = _read_context(ctx)
    return _build_items(incomplete, {f"@{pool}" for pool in (*context.settings.pools, "usable")} if context else ())


def complete_lists_of_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return nodes or pools for what comes after the last comma, with what stands before it."""
    before, comma, last = incomplete.rpartition(",")
    found = complete_nodes_and_pools(ctx, param, last)
    for item in found:
        item.value = f"{before}{comma}{item.value}"
    return found


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
