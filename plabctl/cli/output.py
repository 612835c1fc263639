"""Writing to standard output, in the form that was asked for.

I/O. Programs get their forms from `plabctl.render.data_formats`, people theirs from `plabctl.render.text_table`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from plabctl.cli.error_report import flush, write_error
from plabctl.contexts import contextmanager
from plabctl.render.listing import FOR_PEOPLE, Cell, Listing
from plabctl.typed import TYPE_CHECKING, TextIO
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.app.goals import OnProgress

_PACE_S = 0.2
_MANY = 1000
__all__ = [
    "FOR_PEOPLE",
    "Form",
    "can_redraw",
    "choose_color",
    "choose_form",
    "flush",
    "open_bar",
    "open_test_bar",
    "show_lines",
    "show_listing",
    "wants_color",
    "write",
    "write_line",
    "write_note",
]


@dataclass(frozen=True, slots=True)
class Form:
    """How to write: the name of the form, whether TSV gets a header, and whether there is colour."""

    name: str
    header: bool = False
    color: bool = False
    pages: bool = True
    """Whether what people get goes through a pager where it does not fit."""

    @property
    def is_for_people(self) -> bool:
        """Return whether people read it."""
        return self.name in FOR_PEOPLE


def choose_form(name: str | None, *, header: bool = False, color: str = "auto") -> Form:
    """Return the form of that name; without one, a table on a terminal and TSV elsewhere."""
    is_terminal = sys.stdout.isatty()
    return Form(name or ("table" if is_terminal else "tsv"), header, choose_color(color))


def choose_color(choice: str) -> bool:
    """Return whether standard output gets colour."""
    return wants_color(choice, os.environ, is_terminal=sys.stdout.isatty())


def wants_color(choice: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to colour; `choice` is `auto`, `always` or `never`. Source: no-color.org, force-color.org."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM", "") not in {"", "dumb", "unknown"}


def can_redraw(stream: TextIO) -> bool:
    """Return whether the stream is a terminal on which something can be drawn twice."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def write(pieces: Iterable[str]) -> None:
    """Write the pieces to standard output."""
    for piece in pieces:
        sys.stdout.write(piece)


def write_line(line: str) -> None:
    """Write one line."""
    write([line, "\n"])


def write_note(line: str) -> None:
    """Write one line for people beside the data: on standard error. What was done stays done if nobody can read it."""
    write_error(line)


def show_listing(listing: Listing, form: Form, notes: Iterable[str] = ()) -> None:
    """Write the listing in this form; one for programs has no place for `notes`, which go to standard error then."""
    if form.is_for_people:
        from plabctl.render import text_table

        with _open_for_people(form) as out:
            text_table.show_table(listing, out, color=form.color, wide=form.name == "wide")
        return
    from plabctl.render import data_formats

    write(data_formats.render(listing, form.name, header=form.header))
    for note in notes:
        write_note(f"plabctl: {note}")


@contextmanager
def _open_for_people(form: Form) -> Iterator[TextIO]:
    """Give the stream to write to: standard output, through a pager where that is a terminal and too small."""
    if not (form.pages and can_redraw(sys.stdout)):
        yield sys.stdout
        return
    from plabctl.render.pager import PagedStream, has_pager

    if not has_pager():
        yield sys.stdout
        return
    with PagedStream(sys.stdout, is_wide=form.name == "wide") as out:
        yield out  # type: ignore[misc]  # it has all of a stream that tables use


@contextmanager
def open_bar(words: str, count: int) -> Iterator[None]:
    """Show on standard error, a terminal, that something is done with many; few are done before it could be read."""
    if count < _MANY or not can_redraw(sys.stderr):
        yield
        return
    from plabctl.render.progress import CountBar

    with CountBar(sys.stderr, color=wants_color("auto", os.environ, is_terminal=True)) as bar:
        bar.show(0, 0, words)
        yield


@contextmanager
def open_test_bar() -> Iterator[OnProgress]:
    """Give what draws on standard error how many probes have ended; where that is no terminal it does nothing."""
    from plabctl.app.goals import ignore_progress

    if not can_redraw(sys.stderr):
        yield ignore_progress
        return
    from plabctl.render.progress import CountBar

    with CountBar(sys.stderr, color=wants_color("auto", os.environ, is_terminal=True)) as bar:
        shown_at = 0.0

        def show(done: int, total: int) -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at >= _PACE_S:
                shown_at = time.monotonic()
                bar.show(done, total, f"{done} of {total} done")

        yield show


def show_lines(lines: Sequence[tuple[str, Cell]], form: Form) -> None:
    """Write labelled lines, for people or as TSV."""
    if form.is_for_people:
        from plabctl.render import text_table

        with _open_for_people(form) as out:
            text_table.show_lines(lines, out, color=form.color)
        return
    from plabctl.render import encode

    if form.header:
        write_line("label\ttext")
    write(f"{label}\t{encode.format_cell(cell.text)}\n" for label, cell in lines)
