"""How tests, a swap-in or a swap-out go, while somebody waits for them: a bar on a terminal.

I/O: draws on the stream it is given, with rich, and leaves nothing of the bar behind.
Tests: `tests/cli/test_experiment.py`, `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.text import Text

from plabctl.render.experiment_tables import format_progress
from plabctl.render.rich_console import make_console
from plabctl.views.experiments import ExperimentOverview

_BAR_WIDTH = 24


class _StateColumn(ProgressColumn):
    """How many are in which state, as plain text."""

    def render(self, task: Task) -> Text:
        """Return the words for the task."""
        return Text(str(task.fields["words"]), no_wrap=True, overflow="ellipsis")


class CountBar:
    """A bar that shows how much is done of how much; it is drawn when it is told something."""

    def __init__(self, out: TextIO, *, color: bool) -> None:
        self._progress = Progress(
            BarColumn(_BAR_WIDTH),
            _StateColumn(),
            TimeElapsedColumn(),
            console=make_console(out, color=color),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, words="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def total(self) -> int:
        """How much there was to do when it was last told."""
        return int(self._progress.tasks[0].total or 0)

    def show(self, done: int, total: int, words: str) -> None:
        """Draw how much is done now."""
        self._progress.update(self._task, total=total, completed=done, words=words, refresh=True)


class ExperimentBar(CountBar):
    """A bar that shows how many vnodes are up, or torn down, of how many."""

    def update(self, overview: ExperimentOverview) -> None:
        """Draw the experiment as it is now."""
        left = len(overview.vnode_views)
        if overview.experiment.leaving_at is None:
            total, done = max(overview.wanted_count, left), overview.counts.get("up", 0)
        else:
            total = max(left, self.total)
            done = total - left
        self.show(done, total, format_progress(overview))
