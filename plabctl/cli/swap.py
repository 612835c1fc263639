"""What `experiment swapin` and `swapout` share: order it, wait for it if wanted, and say how it went.

I/O: standard output, a question on a terminal, and a bar on standard error while somebody waits.
Tests: `tests/cli/test_experiment.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from plabctl.app import swap_experiments as use
from plabctl.app.change_nodes import build_order
from plabctl.app.context import App, open_app
from plabctl.cli import output
from plabctl.cli.node_changes import choose_nodes
from plabctl.cli.options import find_actor
from plabctl.core.experiments.model import Experiment
from plabctl.errors import UsageFault
from plabctl.render import experiment_tables as views
from plabctl.render import swap_messages
from plabctl.render.data_formats import dumps
from plabctl.render.encode import encode_view
from plabctl.values import dataclass, replace
from plabctl.views.experiment_rows import ExperimentRow, GoneExperiment, make_experiment_row
from plabctl.views.experiments import ExperimentOverview

_INTERRUPTED = 128


@dataclass(frozen=True, slots=True)
class SwapOptions:
    """How it is ordered: by which configuration, why, waiting or not, and in which form it is told."""

    config: str | None
    reason: str
    wait: bool
    timeout_s: float | None
    form: output.Form
    is_form_asked: bool
    quiet: bool


def build_swap_options(
    config: str | None,
    reason: str,
    *,
    wait: bool,
    timeout_s: float | None,
    form: str | None,
    header: bool,
    color: str,
    quiet: bool,
) -> SwapOptions:
    """Return how it is ordered, from the options of the command; raise UsageFault when they do not go together."""
    if timeout_s is not None and not wait:
        raise UsageFault("--timeout is only valid with --wait", hint="leave it out, or give --wait")
    chosen = output.choose_form(form, header=header, color=color)
    return SwapOptions(config, reason, wait, timeout_s, chosen, is_form_asked=form is not None, quiet=quiet)


def swap_in(wanted: Experiment, how: SwapOptions, *, yes: bool) -> int:
    """Swap it in, and return the exit code."""
    app = open_app(how.config)
    order = build_order(app, find_actor(), how.reason)
    if wanted.nodes:
        wanted = replace(
            wanted, nodes=choose_nodes(app, wanted.nodes, "set a vnode up on each of", yes=yes, quiet=how.quiet)
        )
    ordered = use.swap_in(app, wanted, order)
    overview = ordered.overview
    _print_result(
        how,
        [swap_messages.describe_swap_in(wanted, overview)],
        f"undo: {swap_messages.build_swap_out_command(wanted)}",
        ordered.warning,
    )
    if not how.wait:
        return _print_outcome(how, app, wanted.name, overview, 0)
    with _open_progress(how) as tell:
        waited = use.wait_for_up(app, wanted.name, how.timeout_s, tell)
    if overtaken := swap_messages.describe_overtaken(wanted.name, waited.overview):
        output.write_note(f"plabctl: {overtaken}")
    _warn(waited.warning)
    return _print_outcome(how, app, wanted.name, waited.overview, waited.exit_code)


def swap_out(name: str, how: SwapOptions, *, force: bool) -> int:
    """Swap it out, and return the exit code."""
    if force and how.wait:
        raise UsageFault("--force and --wait exclude each other", hint="--force does not wait")
    app = open_app(how.config)
    ordered = use.swap_out(app, name, build_order(app, find_actor(), how.reason), force=force)
    overview = ordered.overview
    lines = (
        swap_messages.describe_forgotten(name, ordered.leftovers)
        if force
        else [swap_messages.describe_swap_out(name, overview)]
    )
    _print_result(how, lines, swap_messages.build_undo(ordered.before, overview), ordered.warning)
    if force or not how.wait:
        return _print_outcome(how, app, name, overview, 0)
    with _open_progress(how) as tell:
        waited = use.wait_for_gone(app, name, how.timeout_s, tell)
    _warn(waited.warning)
    return _print_outcome(how, app, name, waited.overview, waited.exit_code)


def _print_result(how: SwapOptions, lines: Iterable[str], undo: str, warning: str) -> None:
    """Print what the command did, to standard output if nothing else is printed there."""
    if not how.quiet:
        write = output.write_note if how.wait or how.is_form_asked else output.write_line
        for line in lines:
            write(line)
        output.flush()
        output.write_note(undo)
    _warn(warning)


def _warn(warning: str) -> None:
    if warning:
        output.write_note(f"plabctl: {warning}")


def _print_outcome(how: SwapOptions, app: App, name: str, overview: ExperimentOverview | None, code: int) -> int:
    """Show how it stands now, and return the exit code."""
    if code > _INTERRUPTED:
        output.write_note("interrupted; ticks continue with it")
        return code
    is_plain = how.form.is_for_people and code == 0
    if how.form.name == "jsonl":
        _write_row(make_experiment_row(overview) if overview else GoneExperiment(name))
    elif is_plain and how.wait and not how.is_form_asked and not how.quiet:
        output.write_line(swap_messages.describe_ended(name, overview))
    elif how.is_form_asked or code:
        output.show_listing(
            views.build_remaining_listing(name, overview, app.clock.now(), is_whole=how.form.name == "json"), how.form
        )
    return code


@contextmanager
def _open_progress(how: SwapOptions) -> Iterator[use.OnProgress]:
    """Give what tells how it goes while somebody waits: lines of JSON, a bar, or nothing."""
    if how.form.name == "jsonl":
        yield views.skip_unchanged(_write_row)
    elif how.quiet or not output.can_redraw(sys.stderr):
        yield lambda _overview: None
    else:
        from plabctl.render.progress import ExperimentBar

        with ExperimentBar(sys.stderr, color=output.wants_color("auto", os.environ, is_terminal=True)) as bar:
            yield bar.update


def _write_row(row: ExperimentRow | GoneExperiment) -> None:
    output.write_line(dumps(encode_view(row)))
    output.flush()
