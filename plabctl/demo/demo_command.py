"""`plabctl demo`: a small testbed on this machine, to see how it works.

I/O. What happens is in `plabctl.demo.run`; here it is shown, live on a terminal and as plain lines elsewhere.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import click

from plabctl.app.signals import Stop
from plabctl.cli import output
from plabctl.cli.options import color_option, make_command
from plabctl.core.model import Outcome
from plabctl.core.selection import build_sort_key
from plabctl.demo import live_board, node_outcomes
from plabctl.demo.event_feed import EventFeed
from plabctl.demo.roles import LEAST, build_roles
from plabctl.demo.run import TICK_EVERY_S, DemoPlan, DemoResult, DemoView, Screen, run_demo
from plabctl.durations import format_duration
from plabctl.render import status_table
from plabctl.render.explanation import fold
from plabctl.render.listing import Cell

_EXAMPLE = """\
plabctl demo
plabctl demo --nodes 30 --seconds 120
plabctl demo --dir /tmp/testbed
"""
_FAREWELL = "The nodes are gone now: another tick would find them all dead. What was found stays:"


class _Terminal:
    """The demo on a terminal: a table that is always up to date, and the news under it."""

    def __init__(self, view: live_board.LiveBoard, names: Sequence[str]) -> None:
        self._view = view
        self._names = names
        self._news = EventFeed(names)

    def show(self, scene: DemoView) -> None:
        """Draw the table anew."""
        rest = f"{ceil(scene.left_s)} s to go" if scene.left_s > 0 else "time is up"
        title = f"plabctl demo: {_describe_nodes(self._names)}, {rest}"
        self._view.draw(
            title, status_table.build_listing(scene.situation, self._names), self._news.format_events(scene.new_events)
        )


class _Pipe:
    """The demo elsewhere: a line for each move and each new verdict."""

    def __init__(self, names: Sequence[str]) -> None:
        self._news = EventFeed(names)
        self._title = f"plabctl demo: {_describe_nodes(names)}"

    def show(self, scene: DemoView) -> None:
        """Write what is new."""
        if self._title:
            output.write_line(self._title)
            self._title = ""
        for cells in self._news.format_events(scene.new_events):
            output.write_line("  ".join(cell.text for cell in cells))
        sys.stdout.flush()


def _describe_nodes(names: Sequence[str]) -> str:
    return f"{len(names)} SSH nodes on 127.0.0.1, a tick every {format_duration(TICK_EVERY_S)}"


@make_command("demo", example=_EXAMPLE)
@click.option("--nodes", type=click.IntRange(LEAST, 200), default=12, show_default=True, help="How many nodes.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="How long.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put configuration, state and nodes: an empty directory. A temporary one, if not given.",
)
@color_option
def command(nodes: int, seconds: float, directory: Path | None, color: str) -> int:
    """Watch a testbed of embedded SSH nodes, some of them faulty, under real ticks.

    Needs no root, no sshd and no network beyond this machine. The configuration and the state stay when it ends, to be
    looked at with the other commands; the nodes go.
    """
    stop = Stop()
    colored = output.choose_color(color)
    names = sorted((role.name for role in build_roles(nodes)), key=build_sort_key)
    # A terminal that goes away says SIGHUP: the nodes' processes must not be left behind then.
    with stop.listen(signal.SIGHUP), contextlib.ExitStack() as stack:
        screen: Screen = _Pipe(names)
        if output.can_redraw(sys.stdout):
            screen = _Terminal(stack.enter_context(live_board.LiveBoard(sys.stdout, color=colored)), names)
        ending = run_demo(DemoPlan(nodes, seconds, directory), screen, stop)
    live_board.write_lines(_format_results(ending, names), sys.stdout, color=colored)
    for line, count in Counter(ending.output.splitlines()).items():
        output.write_note(f"a tick said{f' ({count} times)' if count > 1 else ''}: {line}")
    return stop.exit_code or int(bool(ending.output))


def _format_results(ending: DemoResult, names: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    yield ()
    yield (Cell("What happened to each node, and why", "title"),)
    yield ()
    yield from node_outcomes.format_outcomes(node_outcomes.list_outcomes(ending.situation, ending.events, names), width)
    yield ()
    for line in (*fold(_format_totals(ending), width), *fold(_FAREWELL, width)):
        yield (Cell(line),)
    yield ()
    program, config = _find_program(), shlex.quote(str(ending.config_path))
    yield (Cell(f"  {program} status --config {config}", "title"),)
    yield ()
    yield (Cell("Likewise: show flaps.demo, history flaps.demo, pool list, config show."),)
    yield (Cell(f"The state is in {ending.situation.settings.state_dir}", "faint"),)
    yield (Cell(f"When you have seen enough: rm -r {shlex.quote(str(ending.config_path.parent))}", "faint"),)


def _format_totals(ending: DemoResult) -> str:
    outcomes = Counter(event.data.get("outcome") for event in ending.events if event.kind == "probe")
    cancellation = outcomes.pop(Outcome.UNKNOWN, 0)
    return (
        f"{ending.tick_count} ticks, at most {ending.most_ticks_at_once} at once, made {outcomes.total()} tests"
        f"{f' and broke {cancellation} off at the end' if cancellation else ''};"
        f" no more than {ending.most_commands_at_once} commands ran on the nodes at once"
        f" (window {ending.situation.settings.window})."
    )


def _find_program() -> str:
    """Return how the person at the terminal can call us again."""
    if shutil.which("plabctl"):
        return "plabctl"
    beside = Path(sys.executable).with_name("plabctl")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m plabctl"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))
