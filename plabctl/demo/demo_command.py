"""`plabctl demo`: a small testbed on this machine, to see how it works.

I/O. What happens is in `run`; here it is shown, live on a terminal and as plain lines elsewhere.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import click
from rich.text import Text

from plabctl.app.context import open_app
from plabctl.app.signals import Stop
from plabctl.app.write_page import write_page
from plabctl.cli import output
from plabctl.cli.options import color_option, make_command
from plabctl.cli.report import open_in_browser
from plabctl.core.model import Outcome
from plabctl.demo import results
from plabctl.demo.demo_view import DemoView
from plabctl.demo.folder import DemoFolder, prepare_folder
from plabctl.demo.live_board import LiveBoard
from plabctl.demo.roles import LEAST
from plabctl.demo.run import TICK_EVERY_S, DemoPlan, DemoResult, Screen, run_demo
from plabctl.demo.sentences import Sentence
from plabctl.demo.testbed import CONFIG_NAME
from plabctl.durations import format_duration
from plabctl.errors import PlabctlError, Refused
from plabctl.render.explanation import fold
from plabctl.render.listing import Cell
from plabctl.render.rich_console import STYLES, make_console
from plabctl.render.times import format_time_of_day

_EXAMPLE = """\
plabctl demo
plabctl demo --nodes 30 --seconds 120
plabctl demo --open
plabctl demo --keep
"""
_REMOVED = "The nodes are gone; with --keep the state and the history stay, to be looked at."
_PAGE = "page"
_KEPT = "The nodes are gone, and another tick would find them all dead. The state and the history are kept:"


class _Pipe:
    """The demo where nothing can be drawn twice: a line for each event."""

    def __init__(self, title: str, hint: tuple[str, str]) -> None:
        output.write_line(title)
        output.write_line(" ".join(hint))
        sys.stdout.flush()

    def show(self, view: DemoView, news: Sequence[Sentence]) -> None:
        """Write what is new."""
        for sentence in news:
            output.write_line(f"{format_time_of_day(sentence.at)}  {sentence.text}")
        sys.stdout.flush()


@make_command("demo", example=_EXAMPLE)
@click.option("--nodes", type=click.IntRange(LEAST, 200), default=12, show_default=True, help="Number of nodes.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="How long it runs.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty directory for configuration, state and nodes (default: a temporary one).",
)
@click.option("--keep", is_flag=True, help="Keep that directory, to look at the state and the history afterwards.")
@click.option("--open", "opens", is_flag=True, help="Show the page in a browser at the end.")
@color_option
def command(nodes: int, seconds: float, directory: Path | None, keep: bool, opens: bool, color: str) -> int:
    """Watch a testbed of embedded SSH nodes, some of them faulty, under real ticks.

    Each node is shown with its last tests and with what a ping, an SSH login and plabctl say of it. The demo needs no
    root, no sshd and no network beyond this machine. While it runs, the other commands work from a second terminal with
    the --config that it names at the start. At the end a page for a browser stays (see report); all else is removed.
    """
    stop = Stop()
    colored = output.choose_color(color)
    try:
        folder = prepare_folder(directory)
    except OSError as error:
        where = error.filename or directory or "the directory for temporary files"
        raise Refused(
            f"the demo cannot be put up: '{where}': {error.strerror}", hint="name another directory with --dir"
        ) from error
    title = f"plabctl demo: {nodes} SSH nodes on 127.0.0.1, a tick every {format_duration(TICK_EVERY_S)}"
    hint = "In a second terminal:", f"{_find_program()} status --config {_quote(folder.path / CONFIG_NAME)}"
    # A terminal that goes away says SIGHUP: the nodes' processes must not be left behind then.
    with (
        stop.listen(signal.SIGHUP),
        _remove_unless_crashed(folder, stop),
        _open_screen(title, hint, color=colored) as screen,
    ):
        result = run_demo(DemoPlan(folder.path, nodes, seconds), screen, stop)
    page = _write_page(folder.path, stop)
    is_kept = keep or bool(result.output)
    is_removed = not is_kept and folder.remove(but=_PAGE if page else "")
    write_cells(_format_end(result, folder.path, page, is_removed=is_removed), sys.stdout, color=colored)
    if page and opens:
        open_in_browser(page)
    for line, count in Counter(result.output.splitlines()).items():
        output.write_note(f"a tick said{f' ({count} times)' if count > 1 else ''}: {line}")
    return stop.exit_code or int(bool(result.output))


@contextlib.contextmanager
def _remove_unless_crashed(folder: DemoFolder, stop: Stop) -> Iterator[None]:
    """When the block fails, remove the folder if nothing in it explains why; else tell where it is."""
    try:
        yield
    except (Refused, BrokenPipeError):
        folder.remove()
        raise
    except BaseException as error:
        if stop and isinstance(error, OSError):  # the terminal is gone, and nobody would read where the folder is
            folder.remove()
            raise
        output.write_note(f"the directory of the demo is kept: {folder.path}")
        raise


@contextlib.contextmanager
def _open_screen(title: str, hint: tuple[str, str], *, color: bool) -> Iterator[Screen]:
    if output.can_redraw(sys.stdout):
        with LiveBoard(sys.stdout, title, hint, color=color) as board:
            yield board
    else:
        yield _Pipe(title, hint)


def write_cells(lines: Iterable[Sequence[Cell]], out: TextIO, *, color: bool) -> None:
    """Write lines of styled cells as they are, without cutting or joining anything."""
    console = make_console(out, color=color)
    for cells in lines:
        text = Text().join(Text(cell.text, STYLES[cell.style]) for cell in cells)
        console.print(text, soft_wrap=True)


def _write_page(folder: Path, stop: Stop) -> str:
    """Write the page beside the state and return where it is; empty when that failed, or somebody ended the demo."""
    if stop:
        return ""
    try:
        return write_page(open_app(str(folder / CONFIG_NAME)), str(folder / _PAGE)).path
    except PlabctlError as error:
        output.write_note(str(error))
        return ""


def _format_end(result: DemoResult, folder: Path, page: str, *, is_removed: bool) -> Iterator[tuple[Cell, ...]]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    yield ()
    yield (Cell("What was wrong with each node, and what was found", "title"),)
    yield ()
    yield from results.format_results(results.list_results(result.view, result.events, result.settings), width)
    yield ()
    for text in filter(None, (results.format_deceptive(result.view), _format_totals(result))):
        yield from ((Cell(line),) for line in fold(text, width))
    if page:
        yield ()
        yield (Cell("The page of these nodes, for a browser: "), Cell(page, "title"))
        yield ()
    if is_removed:
        yield from ((Cell(line, "faint"),) for line in fold(_REMOVED, width))
    else:
        yield from _format_way_on(folder, width)


def _format_totals(result: DemoResult) -> str:
    outcomes = Counter(event.data.get("outcome") for event in result.events if event.kind == "probe")
    interrupted = outcomes.pop(Outcome.UNKNOWN, 0)
    return (
        f"{result.tick_count} ticks, at most {result.most_ticks_at_once} at once, made {outcomes.total()} tests"
        f"{f'; {interrupted} more were interrupted at the end' if interrupted else ''}."
    )


def _format_way_on(folder: Path, width: int | None) -> Iterator[tuple[Cell, ...]]:
    yield from ((Cell(line),) for line in fold(_KEPT, width))
    yield ()
    yield (Cell(f"  {_find_program()} status --config {_quote(folder / CONFIG_NAME)}", "title"),)
    yield ()
    yield (Cell("Likewise: show flaps.demo, history flaps.demo, pool list, config show."),)
    yield (Cell(f"To remove it: rm -r {_quote(folder)}", "faint"),)


def _quote(path: Path) -> str:
    return shlex.quote(str(path))


def _find_program() -> str:
    """Return how the person at the terminal can call us again."""
    if shutil.which("plabctl"):
        return "plabctl"
    beside = Path(sys.executable).with_name("plabctl")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m plabctl"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))
