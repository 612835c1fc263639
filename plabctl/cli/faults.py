"""The one place that turns what went wrong into a line on standard error and an exit code.

I/O: standard error. No click here, because the quick path does without it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from plabctl.errors import ConfigError, PlabctlError

EXIT_BUG = 70
EXIT_OUTPUT = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class OutputLost(PlabctlError):
    """Standard output cannot be written."""

    exit_code = EXIT_OUTPUT


def guarded(work: Callable[[], int]) -> int:
    """Do `work` and return its exit code, or tell in one line what went wrong and return the code for that."""
    try:
        code = work()
        flush()
    except PlabctlError as error:
        tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: nobody is left to tell.
        silence()
        return EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug becomes one line, never a traceback
        return _bug(error)
    return code


def flush() -> None:
    """Write out what standard output still holds; raise OutputLost when it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence()
        raise OutputLost(f"the output cannot be written: {os.strerror(error.errno or errno.EIO)}") from error


def silence() -> None:
    """Send what is left for standard output nowhere, so that the interpreter does not complain when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def tell(error: PlabctlError) -> None:
    """Write the error on standard error: one line, or one for each fault of a configuration; then the hint."""
    for line in error.faults if isinstance(error, ConfigError) else [str(error)]:
        _say(f"plabctl: {line}")
    if error.hint:
        _say(f"  hint: {error.hint}")


def _bug(error: Exception) -> int:
    if os.environ.get("PLABCTL_DEBUG") == "1":
        import traceback  # noqa: PLC0415 - only a bug needs it

        traceback.print_exception(error)
    what = " ".join(str(error).split())
    _say(f"plabctl: this is a bug in plabctl: {type(error).__name__}: {what} (PLABCTL_DEBUG=1 shows where)")
    return EXIT_BUG


def _say(line: str) -> None:
    # Standard error may be closed or full as well; then the exit code must say it all.
    try:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints errors
    except (OSError, ValueError):
        return
