"""What TAB offers for nodes and pools.

I/O: reads the state as every reading command does. A fault means that nothing is offered: TAB is no place for errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from plabctl.errors import PlabctlError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from plabctl.report.status import Situation


def complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Return the names of nodes that begin with what was typed."""
    situation = _look(ctx)
    return _items(incomplete, situation.state.names() if situation else ())


def complete_pools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Return the names of pools that begin with what was typed."""
    situation = _look(ctx)
    return _items(incomplete, situation.settings.pools if situation else ())


def complete_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Return the names of recipes that begin with what was typed."""
    situation = _look(ctx)
    return _items(incomplete, situation.settings.recipes if situation else ())


def complete_experiments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Return the names of experiments that begin with what was typed."""
    situation = _look(ctx)
    return _items(incomplete, situation.state.experiments if situation else ())


def complete_nodes_and_pools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return nodes, or pools with an `@` before them once that is typed."""
    if not incomplete.startswith("@"):
        return complete_nodes(ctx, param, incomplete)
    situation = _look(ctx)
    return _items(incomplete, (f"@{pool}" for pool in situation.settings.pools) if situation else ())


def complete_lists_of_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return nodes or pools for what comes after the last comma, with what stands before it."""
    before, comma, last = incomplete.rpartition(",")
    found = complete_nodes_and_pools(ctx, param, last)
    for item in found:
        item.value = f"{before}{comma}{item.value}"
    return found


def _look(ctx: click.Context) -> Situation | None:
    # Imported here: every command line with NODES imports this module, and only TAB calls it.
    from plabctl.app.queries import look  # noqa: PLC0415

    try:
        return look(ctx.params.get("config") or ctx.find_root().params.get("config"))
    except (PlabctlError, OSError):
        return None


def _items(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - as above

    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
