"""Runs the stages of a probe one after the other, each within the time that is left, and records their results.

Shells run the stages, wherever that is. Go on with `plabctl.probes.probe_run`, which decides which stage comes next.
Tests: `tests/probes/test_remote_shell.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, StageRun
from plabctl.core.recipe import Recipe, Stage, Transport, fill_placeholders
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.orphaned_stage import END
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.script import build_environment, build_values
from plabctl.probes.shell import Shell, StageFault, StageResult
from plabctl.probes.stage_verdict import explain_result, is_pass, judge_stage

Open = Callable[[Transport, float], Shell]
"""Opens a shell by an instant on the monotonic clock; raises ProbeError."""
OnStage = Callable[[StageRun], None]
"""Is told of each stage when it ends, in the probe's thread; of `up` after each look, with the time of all of them."""

_DOUBTFUL = frozenset({StageFault.LATE, StageFault.LOST, StageFault.FLOOD, StageFault.OVERRUN})


class StageRunner:
    """The stages of one probe as they were run: `stages` in order, remarks in `notes`, vnodes that may be `left`."""

    def __init__(
        self,
        job: Assignment,
        open_shell: Open,
        cancellation: Cancellation,
        clock: Clock,
        on_stage: OnStage | None,
        owners: Collection[int] = (),
    ) -> None:
        self._job = job
        self._open_shell = open_shell
        self._cancellation = cancellation
        self._clock = clock
        self._on_stage = on_stage
        self._owners = owners
        self._shells: dict[Transport, Shell] = {}
        self._allowed_s = 0.0
        self.began = clock.monotonic()
        """When the last stage began, on the monotonic clock; `up` at its first look."""
        self._in_doubt: set[Transport] = set()
        self.stages: list[StageRun] = []
        self.notes: list[str] = []
        self.left = dict.fromkeys(job.list_at_stake(begun=False))

    def run(self, recipe: Recipe, name: str, stage: Stage, end: float, vnode: str = "") -> StageResult:
        """Run one stage, at the longest until `end`, and write down how it went."""
        self._cancellation.check()
        values = build_values(self._job, vnode or self._job.vnode)
        text = _read_script(stage.script, self._owners) if stage.script else fill_placeholders(stage.run, values)
        if name == "debris" or (name == "teardown" and self._job.goal is Goal.TEARDOWN):
            text = END + text
        start = self._clock.monotonic()
        budget = min(stage.timeout_s, end - start)
        if budget <= 0:
            raise ProbeError(Cause.DEADLINE, f"no time was left for {name}")
        self._allowed_s = round(budget, 1)
        is_again = name == "up" and bool(self.stages) and self.stages[-1].stage == "up"
        self.began = self.began if is_again else start
        ran = self._shells[recipe.transport].run(text, build_environment(values), budget)
        (self._in_doubt.add if ran.fault in _DOUBTFUL else self._in_doubt.discard)(recipe.transport)
        if is_again:
            self.stages.pop()  # the last look stands for all of them, from the first on
        seconds = round(self._clock.monotonic() - self.began, 3)
        self._append(StageRun(name, seconds, ran.exit_code, ran.output, ran.truncated))
        return ran

    def judge(self, name: str, recipe: Recipe, ran: StageResult) -> None:
        """Note what the stage just run remarks; raise ProbeError if it did not pass."""
        self.add_note(judge_stage(name, recipe.transport, ran, self._allowed_s))

    def tear_down(self, recipe: Recipe, stage: Stage, name: str, vnode: str, end: float) -> str:
        """Tear one vnode down that is not the probe's aim; return why it may still be there, nothing if it is gone."""
        try:
            self.open(recipe.transport, end)
            if not self.is_alive(recipe.transport):
                return "not tried, the node does not answer any more"
            ran = self.run(recipe, name, stage, end, vnode)
        except ProbeError as probe_error:
            self._cancellation.check()
            return probe_error.reason
        if ran.fault is None and is_pass(recipe.transport, ran.exit_code):
            self.left.pop(vnode, None)
            return ""
        return explain_result(ran, self._allowed_s)

    def open(self, transport: Transport, end: float) -> None:
        """Have a shell of this kind by `end`; raise ProbeError."""
        if transport in self._shells:
            return
        start = self.began = self._clock.monotonic()
        try:
            self._shells[transport] = self._open_shell(transport, end)
        finally:
            if transport is Transport.SSH:
                self._append(StageRun("connect", round(self._clock.monotonic() - start, 3), None))

    def is_alive(self, transport: Transport) -> bool:
        """Return whether more can be run there; asked of the node only if its last stage leaves that in doubt."""
        return transport not in self._in_doubt or self._shells[transport].is_alive()

    def add_note(self, text: str) -> None:
        """Remember a remark; an empty one is none."""
        if text:
            self.notes.append(text)

    def close(self) -> None:
        """Give the shells back."""
        for shell in self._shells.values():
            shell.close()

    def _append(self, run: StageRun) -> None:
        self.stages.append(run)
        if self._on_stage:
            self._on_stage(run)


def _read_script(path: str, owners: Collection[int]) -> str:
    """Return a script, which root, the current user or `owners` alone may have written; raise ProbeError."""
    try:
        opened = open_trusted(path, owners=owners, file_only=True)
        with open(opened.fd, encoding="utf-8", errors="surrogateescape") as file:
            if (text := file.read()).strip():
                return text
    except Untrusted as error:
        raise ProbeError(Cause.LOCAL, f"the script '{path}' is not run: {error}") from None
    except OSError as error:
        raise ProbeError(Cause.LOCAL, f"the script '{path}' cannot be read: {format_exception(error)}") from None
    # Such as an installation in progress, or a full disk, leaves behind: `sh` passes it, whatever the node.
    raise ProbeError(Cause.LOCAL, f"the script '{path}' is empty")
