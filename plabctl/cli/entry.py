"""The console script: first the quick path, which does without click, then everything else.

I/O. Cron runs `plabctl tick` every minute and finds nothing to do in most of them; scripts ask for the status in a
loop. Both would spend most of their time on importing what they do not need. Go on with `quick`, then `main`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from plabctl.cli import quick
from plabctl.cli.faults import guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    code = quick.run(arguments)
    if code is not None:
        return code
    from plabctl.cli.main import run  # noqa: PLC0415 - click, which the quick path does without

    return run(arguments)
