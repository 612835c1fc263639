"""The one place that turns what went wrong into a line on standard error and an exit code.

I/O: standard error. No click here, because the quick path does without it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from plabctl.contexts import suppress
from plabctl.errors import ConfigError, NoSuchNode, PlabctlError
from plabctl.typed import TextIO

EXIT_BUG = 70
EXIT_OUTPUT = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_SHORT = 75
LOST = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF})
"""What an output that cannot be written says."""
SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What a machine says that has not enough of something just now."""


class OutputLost(PlabctlError):
    """Standard output cannot be written."""

    exit_code = EXIT_OUTPUT


def run_reporting_errors(work: Callable[[], int], complain: Callable[[str], str | None] | None = None) -> int:
    """Do `work` and return its exit code, or tell in one line what went wrong and return the code for that.

    `complain`, if given, is asked with what is to be said, and returns what is to be said instead, or None.
    """
    try:
        code = work()
        flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone: nobody is left to tell.
        silence()
        return EXIT_BROKEN_PIPE
    except PlabctlError as error:
        code, text = error.exit_code, format_error(error)
    except OSError as error:
        # The store and the probes tell of their own faults; what is left is click, writing to a full disk.
        code, text = _classify_os_error(error)
    except MemoryError:
        code, text = EXIT_SHORT, _describe_shortage(errno.ENOMEM)
    except ImportError as error:
        code, text = EXIT_SHORT, _describe_incomplete_install(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug becomes one line, never a traceback
        code, text = EXIT_BUG, _format_bug(error)
    else:
        return code
    if said := _choose_message(complain, text):
        write_error(said)
    return code


def _classify_os_error(error: OSError) -> tuple[int, str]:
    if error.errno in SHORT:
        return EXIT_SHORT, _describe_shortage(error.errno)
    if error.errno not in LOST or error.filename is not None:
        return EXIT_BUG, _format_bug(error)
    return EXIT_OUTPUT, format_error(_build_output_error(error))


def _describe_shortage(number: int) -> str:
    return f"plabctl: this machine is out of resources: {os.strerror(number).lower()}\n  hint: try again in a moment"


def _describe_incomplete_install(error: ImportError) -> str:
    hint = "unless it is being upgraded just now, reinstall it"
    return f"plabctl: plabctl is not completely installed: {' '.join(str(error).lower().split())}\n  hint: {hint}"


def _choose_message(complain: Callable[[str], str | None] | None, text: str) -> str | None:
    try:
        return complain(text) if complain else text
    except (OSError, MemoryError, ImportError):  # what there is too little of is missing here, too
        return text


def flush() -> None:
    """Write out what standard output still holds; raise OutputLost when it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _build_output_error(error) from error


def _build_output_error(error: OSError) -> OutputLost:
    silence()
    return OutputLost(f"the output cannot be written: {os.strerror(error.errno or errno.EIO)}")


def silence(stream: TextIO | None = None) -> None:
    """Send what is left for standard output, or `stream`, nowhere: the interpreter would complain when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, (stream or sys.stdout).fileno())
    os.close(nowhere)


def escape_control(text: str) -> str:
    """Return `text` with what could act on a terminal spelled out; a path or a foreign message may hold anything."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape_char(char) for char in text)


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def format_error(error: PlabctlError) -> str:
    """Return what to say about the error: one line, or one for each fault of a configuration; then the hint."""
    faults = error.faults if isinstance(error, ConfigError) else str(error).splitlines()
    lines = [f"plabctl: {fault}" for fault in faults]
    hint = error.hint
    if isinstance(error, NoSuchNode) and error.word and os.path.lexists(error.word):
        hint = "a file here has that name: if the shell put it in place of a pattern such as *, quote that: '*'"
    return "\n".join([*lines, f"  hint: {hint}"] if hint else lines)


def _format_bug(error: Exception) -> str:
    if os.environ.get("PLABCTL_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    what = " ".join(str(error).split())
    return f"plabctl: this is a bug in plabctl: {type(error).__name__}: {what} (PLABCTL_DEBUG=1 shows where)"


def write_error(line: str) -> None:
    """Write one line, made inert, on standard error; where it is closed or full, the exit code must say it all."""
    try:
        print(escape_control(line), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints errors and remarks
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            silence(sys.stderr)
