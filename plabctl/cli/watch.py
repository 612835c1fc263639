"""`plabctl status --watch`: stay, and show the status as it changes.

I/O: a terminal, or JSON lines where there is none. Reads like any reading command: without a lock.
Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import sys
import time

from plabctl.app import queries
from plabctl.cli import output
from plabctl.core.selection import build_sort_key
from plabctl.render import status_table
from plabctl.render.data_formats import format_json
from plabctl.render.listing import Listing

_PACE_S = 0.5


def watch_status(
    config: str | None, nodes: tuple[str, ...], pools: tuple[str, ...], form: str | None, color: str
) -> int:
    """Show the status until the person leaves, or until nobody reads any more."""
    eye = queries.ChangeWatcher(config)
    queries.check_pool_names(eye.read(), pools)
    queries.list_chosen(eye.read(), nodes, pools)
    if sys.stdout.isatty() and form in {None, *output.FOR_PEOPLE}:
        from plabctl.render.watch_screen import watch_frame

        def frame() -> Listing:
            context = eye.read()
            return status_table.build_listing(
                context, sorted(queries.list_chosen_if_any(context, nodes, pools), key=build_sort_key)
            )

        try:
            watch_frame(frame, color=output.choose_color(color), has_changed=eye.has_changed)
        except KeyboardInterrupt:
            return 0
        return 0
    while True:
        context = eye.read()
        output.write(
            format_json(
                status_table.build_data_listing(context, queries.list_chosen_if_any(context, nodes, pools), "json")
            )
        )
        output.flush()
        while not eye.has_changed():
            time.sleep(_PACE_S)
