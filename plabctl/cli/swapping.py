"""What `experiment swapin` and `swapout` share: order it, wait for it if wanted, and say how it went.

I/O: standard output, a question on a terminal, and a bar on standard error while somebody waits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from plabctl.app import experiments as use
from plabctl.app.context import App, open_app
from plabctl.app.orders import order_of
from plabctl.cli import output
from plabctl.cli.options import actor
from plabctl.cli.orders import choose
from plabctl.core.experiments.model import Experiment
from plabctl.core.experiments.picture import Picture
from plabctl.errors import UsageFault
from plabctl.report import experiments as views
from plabctl.report import swaps
from plabctl.report.colour import wants_color
from plabctl.report.listing import Row
from plabctl.values import dataclass, replace

_INTERRUPTED = 128


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is ordered: by which configuration, why, waiting or not, and in which form it is told."""

    config: str | None
    reason: str
    wait: bool
    timeout_s: float | None
    form: output.Form
    is_form_asked: bool
    quiet: bool


def manner(
    config: str | None,
    reason: str,
    *,
    wait: bool,
    timeout_s: float | None,
    form: str | None,
    header: bool,
    color: str,
    quiet: bool,
) -> Manner:
    """Return how it is ordered, from the options of the command; raise UsageFault when they do not go together."""
    if timeout_s is not None and not wait:
        raise UsageFault("--timeout means something with --wait only", hint="leave it out, or give --wait")
    chosen = output.choose_form(form, header=header, color=color)
    return Manner(config, reason, wait, timeout_s, chosen, is_form_asked=form is not None, quiet=quiet)


def swap_in(wanted: Experiment, how: Manner, *, yes: bool) -> int:
    """Swap it in, and return the exit code."""
    app = open_app(how.config)
    order = order_of(app, actor(), how.reason)
    if wanted.nodes:
        wanted = replace(wanted, nodes=choose(app, wanted.nodes, "set a vnode up on each of", yes=yes))
    ordered = use.swap_in(app, wanted, order)
    picture = ordered.picture
    _remark(how, [swaps.swapped_in(wanted, picture)], f"undo: {swaps.swap_out_command(wanted)}", ordered.warning)
    if not how.wait:
        return _ended(how, app, wanted.name, picture, 0)
    with _teller(how) as tell:
        waited = use.wait_for_up(app, wanted.name, how.timeout_s, tell)
    if overtaken := swaps.overtaken(wanted.name, waited.picture):
        output.note(f"plabctl: {overtaken}")
    _warn(waited.warning)
    return _ended(how, app, wanted.name, waited.picture, waited.exit_code)


def swap_out(name: str, how: Manner, *, force: bool) -> int:
    """Swap it out, and return the exit code."""
    if force and how.wait:
        raise UsageFault("--force and --wait exclude each other", hint="--force waits for nothing")
    app = open_app(how.config)
    ordered = use.swap_out(app, name, order_of(app, actor(), how.reason), force=force)
    picture = ordered.picture
    lines = swaps.forgotten(name, ordered.left) if force else [swaps.swapped_out(name, picture)]
    _remark(how, lines, swaps.undo_swap_out(ordered.was, picture), ordered.warning)
    if force or not how.wait:
        return _ended(how, app, name, picture, 0)
    with _teller(how) as tell:
        waited = use.wait_for_gone(app, name, how.timeout_s, tell)
    _warn(waited.warning)
    return _ended(how, app, name, waited.picture, waited.exit_code)


def _remark(how: Manner, lines: Iterable[str], undo: str, warning: str) -> None:
    """Say what the order did: on standard output when nothing else comes there."""
    if not how.quiet:
        write = output.note if how.wait or how.is_form_asked else output.say
        for line in lines:
            write(line)
        output.flush()
        output.note(undo)
    _warn(warning)


def _warn(warning: str) -> None:
    if warning:
        output.note(f"plabctl: {warning}")


def _ended(how: Manner, app: App, name: str, picture: Picture | None, code: int) -> int:
    """Show how it stands now, and return the exit code."""
    if code > _INTERRUPTED:
        output.note("interrupted; the ticks go on with it")
        return code
    is_plain = how.form.is_for_people and code == 0
    if how.form.name == "jsonl":
        _tell_line(views.experiment_row(picture) if picture else views.gone_row(name))
    elif is_plain and how.wait and not how.is_form_asked and not how.quiet:
        output.say(swaps.ended(name, picture))
    elif how.is_form_asked or code:
        output.show(views.remaining(name, picture, app.clock.now(), is_whole=how.form.name == "json"), how.form)
    return code


@contextmanager
def _teller(how: Manner) -> Iterator[use.OnProgress]:
    """Give what tells how it goes while somebody waits: lines of JSON, a bar, or nothing."""
    if how.form.name == "jsonl":
        yield views.changes_only(lambda picture: _tell_line(views.experiment_row(picture)))
    elif how.quiet or not output.can_redraw(sys.stderr):
        yield lambda picture: None  # noqa: ARG005 - nobody looks
    else:
        from plabctl.report.progress import Bar  # noqa: PLC0415 - rich, which a pipe can spare

        with Bar(sys.stderr, color=wants_color("auto", os.environ, is_terminal=True)) as bar:
            yield bar.tell


def _tell_line(row: Row) -> None:
    from plabctl.report.machine import dumps  # noqa: PLC0415 - only JSON needs it

    output.say(dumps(row))
    output.flush()
