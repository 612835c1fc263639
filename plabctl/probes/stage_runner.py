"""Runs the stages of a probe one after the other, each within the time that is left, and records their results.

Shells run the stages, wherever that is. Go on with `plabctl.probes.probe_run`, which decides which stage comes next.
Tests: `tests/probes/test_remote_shell.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, StageRun
from plabctl.core.recipe import Recipe, Stage, Transport, fill_placeholders
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.leftover_batch import build_batch, read_batch
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
        self._stuck: set[Transport] = set()
        self.has_begun = False
        """Whether a stage of the probe's own vnode may have begun."""
        self.unstarted: ProbeError | None = None
        """What is wrong where the node's shell did not begin a stage."""
        self.stages: list[StageRun] = []
        self.notes: list[str] = []
        self.left = dict.fromkeys(job.list_at_stake(begun=False))

    def run(self, recipe: Recipe, name: str, stage: Stage, end: float, *vnodes: str) -> StageResult:
        """Run one stage, at the longest until `end`, and write down how it went; for all of `vnodes`, or its own."""
        had_begun, self.has_begun = self.has_begun, self.has_begun or name != "debris"
        self._cancellation.check()
        values = build_values(self._job, vnodes[0] if vnodes else None)
        text = self._build_text(name, stage, vnodes or (self._job.vnode,))
        start = self._clock.monotonic()
        budget = min(stage.timeout_s, end - start)
        if budget <= 0:
            raise ProbeError(Cause.DEADLINE, f"no time was left for {name}")
        self._allowed_s = round(budget, 1)
        is_again = name == "up" and bool(self.stages) and self.stages[-1].stage == "up"
        self.began = self.began if is_again else start
        ran = self._shells[recipe.transport].run(text, build_environment(values), budget, recipe.become)
        if ran.never_began:
            self.has_begun = had_begun
        (self._in_doubt.add if ran.fault in _DOUBTFUL else self._in_doubt.discard)(recipe.transport)
        if is_again:
            self.stages.pop()  # the last look stands for all of them, from the first on
        seconds = round(self._clock.monotonic() - self.began, 3)
        self._append(StageRun(name, seconds, ran.exit_code, ran.output, ran.truncated))
        if ran.fault is StageFault.NOT_STARTED:
            self._stuck.add(recipe.transport)
        if ran.never_began or recipe.transport in self._stuck:
            try:
                self.judge(name, recipe, ran)
            except ProbeError as probe_error:
                self.unstarted = probe_error
        return ran

    def _build_text(self, name: str, stage: Stage, vnodes: Sequence[str]) -> str:
        scripts = self._job.scripts
        script = (scripts.get(stage.script) or read_script(stage.script, self._owners)) if stage.script else ""
        texts = [script or fill_placeholders(stage.run, build_values(self._job, vnode)) for vnode in vnodes]
        if len(vnodes) > 1:
            return build_batch(zip(vnodes, texts, strict=True))
        is_behind = name == "debris" or (name == "teardown" and self._job.goal is Goal.TEARDOWN)
        return END + texts[0] if is_behind else texts[0]

    def judge(self, name: str, recipe: Recipe, ran: StageResult) -> None:
        """Note what the stage just run remarks; raise ProbeError if it did not pass."""
        self.add_note(judge_stage(name, recipe.transport, ran, self._allowed_s))

    def tear_down(self, recipe: Recipe, stage: Stage, name: str, vnodes: Sequence[str], end: float) -> dict[str, str]:
        """Tear down vnodes of `recipe` by one stage; return why any may still be there, in words, by vnode."""
        try:
            self.open(recipe.transport, end)
            if recipe.transport in self._stuck:
                return dict.fromkeys(vnodes, "not tried, the login shell does not start")
            if not self.is_alive(recipe.transport):
                return dict.fromkeys(vnodes, "not tried, the node does not answer any more")
            ran = self.run(recipe, name, stage, end, *vnodes)
        except ProbeError as probe_error:
            self._cancellation.check()
            return dict.fromkeys(vnodes, probe_error.reason)
        failed = {}
        ended = read_batch(ran.output) if len(vnodes) > 1 else {}
        for number, vnode in enumerate(vnodes):
            own = StageResult(*ended[number], truncated=False) if number in ended else ran
            is_told = len(vnodes) == 1 or number in ended
            if is_told and own.fault is None and is_pass(recipe.transport, own.exit_code):
                self.left.pop(vnode, None)
            else:
                failed[vnode] = explain_result(own, self._allowed_s)
        return failed

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


def read_script(path: str, owners: Collection[int]) -> str:
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
