"""The console script: first the quick path, which does without click, then everything else.

I/O. Cron runs `plabctl tick` every minute and finds nothing to do in most of them; scripts ask for the status in a
loop. Both would spend most of their time on importing what they do not need. Go on with `fast_path`, then `main`.
Tests: `tests/cli/test_error_report.py`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence

from plabctl.cli import fast_path
from plabctl.cli.error_report import flush, run_reporting_errors

_STDERR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    if argv is None:
        _prepare_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run_reporting_errors(lambda: _run(arguments, is_whole_process=argv is None))


def _prepare_streams() -> None:
    """Make all three standard streams usable, whatever the caller did to them."""
    # A caller that closed one would have its number given to the next file that is opened: to the state, perhaps.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115 - open for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the locale cannot write must not end a list


def _run(arguments: list[str], *, is_whole_process: bool) -> int:
    # Importing makes no garbage in circles and a quick call makes none either: looking for it is a tenth of their time.
    gc.disable()
    try:
        code = fast_path.run(arguments)
    finally:
        gc.enable()
    if code is not None:
        if is_whole_process:
            flush()
            # Nothing is open and no thread runs: to take the interpreter apart costs as much as an idle tick works.
            os._exit(code)
        return code
    from plabctl.cli.main import run

    return run(arguments)
