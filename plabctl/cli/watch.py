"""`plabctl status --watch`: stay, and show the status as it changes.

I/O: a terminal, or JSON lines where there is none. Reads like any reading command: without a lock.
"""

from __future__ import annotations

import sys
import time

from plabctl.app import queries
from plabctl.cli import output
from plabctl.core.selection import natural
from plabctl.report import status
from plabctl.report.listing import Listing

_PACE_S = 0.5


def watch_status(
    config: str | None, nodes: tuple[str, ...], pools: tuple[str, ...], form: str | None, color: str
) -> int:
    """Show the status until the person leaves, or until nobody reads any more."""
    eye = queries.Eye(config)
    queries.check_pool_names(eye.look(), pools)
    queries.chosen(eye.look(), nodes, pools)
    if sys.stdout.isatty() and form in {None, *output.FOR_PEOPLE}:
        from plabctl.report.live import watch  # noqa: PLC0415 - rich, which JSON lines do without

        def frame() -> Listing:
            situation = eye.look()
            return status.listing(situation, sorted(queries.chosen_if_any(situation, nodes, pools), key=natural))

        try:
            watch(frame, color=output.color_for(color), has_changed=eye.has_changed)
        except KeyboardInterrupt:
            return 0
        return 0
    from plabctl.report.machine import json  # noqa: PLC0415 - as above

    while True:
        situation = eye.look()
        output.write(json(status.data(situation, queries.chosen_if_any(situation, nodes, pools), "json")))
        output.flush()
        while not eye.has_changed():
            time.sleep(_PACE_S)
