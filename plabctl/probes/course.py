"""The course of one probe: debris, setup, up, check, teardown, and the report on it.

It decides and delegates: shells run the stages, wherever that is, and `plabctl.probes.verdict` reads their exit codes.
Begin reading here; the words are those of `plabctl.core.recipe` and `plabctl.core.model`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Outcome, Report, StageRun
from plabctl.core.recipe import Recipe, Stage, Transport, fill
from plabctl.durations import format_duration
from plabctl.probes.clean import clean
from plabctl.probes.cut import Cut
from plabctl.probes.script import environment, values_of
from plabctl.probes.shell import Fault, Ran, Shell
from plabctl.probes.trouble import Trouble, of_ours, words
from plabctl.probes.verdict import explain, judge, passes

Open = Callable[[Transport, float], Shell]
"""Opens a shell by an instant on the monotonic clock; raises Trouble."""
OnStage = Callable[[StageRun], None]
"""Is told of each stage when it ends, in the probe's thread; of `up` after each look, with the time of all of them."""

_MAX_WORDS = 500
_DOUBTFUL = frozenset({Fault.LATE, Fault.LOST, Fault.FLOOD})


class Course:
    """One probe under way. Used once, by one thread."""

    def __init__(
        self, assignment: Assignment, open_shell: Open, cut: Cut, clock: Clock, on_stage: OnStage | None = None
    ) -> None:
        self._job = assignment
        self._on_stage = on_stage
        self._open_shell = open_shell
        self._cut = cut
        self._clock = clock
        self._started_at = clock.now()
        self._start = clock.monotonic()
        teardown = assignment.recipe.teardown
        self._end = self._start + assignment.deadline_s
        # Whatever the stages before do, the teardown keeps its own time.
        self._forward_end = self._end - (teardown.timeout_s if teardown else 0)
        self._shells: dict[Transport, Shell] = {}
        self._stages: list[StageRun] = []
        self._left = {debris.vnode: None for debris, _ in assignment.debris}
        self._notes: list[str] = []
        self._allowed_s = 0.0
        self._began = self._start
        self._is_doubtful = False
        self._has_begun = False

    def run(self) -> Report:
        """Carry the assignment out and return what came of it; never raises."""
        trouble = self._remarked(self._guarded(self._forward))
        if self._has_begun and not self._cut.is_made:
            trouble = self._guarded(lambda: self._backward(passed=trouble is None)) or trouble
        if self._cut.is_made and (trouble is not None or self._left):
            trouble = Trouble(Cause.INTERRUPTED, "interrupted")
        for shell in self._shells.values():
            shell.close()
        return self._report(trouble)

    def _guarded(self, part: Callable[[], None]) -> Trouble | None:
        try:
            part()
        except Trouble as trouble:
            return trouble
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on our side must not count against the node
            return of_ours(error)
        return None

    def _forward(self) -> None:
        """Connect, sweep, then set up, wait until it is up, and check; raise Trouble where that ends."""
        recipe = self._job.recipe
        self._shell(recipe.transport)
        self._sweep()
        stages = {"setup": recipe.setup, "up": recipe.up, "check": recipe.check}
        for name, stage in stages.items():
            if stage is None:
                continue
            self._has_begun = True
            if recipe.teardown is not None:
                self._left[self._job.vnode] = None
            if name == "up":
                self._wait_until_up(stage)
            else:
                ran = self._run(recipe, name, stage, self._forward_end)
                self._note(judge(name, recipe.transport, ran, self._allowed_s))

    def _wait_until_up(self, stage: Stage) -> None:
        """Look again and again until the vnode is up; raise Trouble when its time is over."""
        recipe = self._job.recipe
        end = min(self._clock.monotonic() + stage.timeout_s, self._forward_end)
        said = ""
        while True:
            ran = self._run(recipe, "up", stage, end)
            try:
                self._note(judge("up", recipe.transport, ran, self._allowed_s))
            except Trouble as trouble:
                if trouble.cause is Cause.UP_TIMEOUT and ran.fault is None:
                    said = trouble.reason
                elif trouble.cause is not Cause.DEADLINE:
                    raise
                if ran.fault is not None or self._clock.monotonic() + stage.every_s >= end:
                    why = said or trouble.reason
                    raise Trouble(Cause.UP_TIMEOUT, f"not up after {stage.timeout_s:g} s: {why}") from None
            else:
                return
            self._cut.sleep(stage.every_s)

    def _backward(self, *, passed: bool) -> None:
        """Tear down what may be there; raise Trouble only if that is what fails the probe."""
        recipe = self._job.recipe
        if recipe.teardown is None:
            return
        failed = self._torn_down(recipe, recipe.teardown, "teardown", self._job.vnode, self._end)
        if failed:
            self._note(f"teardown: {failed}")
            if passed and recipe.teardown_required:
                raise Trouble(Cause.TEARDOWN, failed)

    def _sweep(self) -> None:
        """Tear down what earlier probes may have left. What does not go stays in the report, and the probe goes on."""
        own = self._job.recipe.teardown
        budget = (
            own.timeout_s if own else max((r.teardown.timeout_s for _, r in self._job.debris if r.teardown), default=0)
        )
        end = min(self._clock.monotonic() + budget, self._forward_end)
        for debris, recipe in self._job.debris:
            if recipe.teardown is None:
                del self._left[debris.vnode]
                continue
            failed = self._torn_down(recipe, recipe.teardown, "debris", debris.vnode, end)
            if failed:
                self._note(f"debris '{debris.vnode}': {failed}")
            if self._is_doubtful and not self._shells[recipe.transport].is_alive():
                raise Trouble(Cause.DEADLINE, "the node stopped answering while an earlier vnode was torn down")

    def _torn_down(self, recipe: Recipe, stage: Stage, name: str, vnode: str, end: float) -> str:
        """Tear one vnode down; return why it may still be there, nothing if it is gone."""
        try:
            shell = self._shell(recipe.transport)
            if self._is_doubtful and not shell.is_alive():
                return "not tried, the node does not answer any more"
            ran = self._run(recipe, name, stage, end, vnode)
        except Trouble as trouble:
            self._cut.check()
            return trouble.reason
        if ran.fault is None and passes(recipe.transport, ran.exit_code):
            del self._left[vnode]
            return ""
        return explain(ran, self._allowed_s)

    def _run(self, recipe: Recipe, name: str, stage: Stage, end: float, vnode: str = "") -> Ran:
        """Run one stage, at the longest until `end`, and write down how it went."""
        self._cut.check()
        values = values_of(self._job, vnode or self._job.vnode)
        text = _read(stage.script) if stage.script else fill(stage.run, values)
        start = self._clock.monotonic()
        budget = min(stage.timeout_s, end - start)
        if budget <= 0:
            raise Trouble(Cause.DEADLINE, f"no time was left for {name}")
        self._allowed_s = round(budget, 1)
        ran = self._shell(recipe.transport).run(text, environment(values), budget)
        self._is_doubtful = ran.fault in _DOUBTFUL
        if name == "up" and self._stages and self._stages[-1].stage == "up":
            self._stages.pop()  # the last look stands for all of them, from the first on
        else:
            self._began = start
        seconds = round(self._clock.monotonic() - self._began, 3)
        self._append(StageRun(name, seconds, ran.exit_code, ran.output, ran.truncated))
        return ran

    def _shell(self, transport: Transport) -> Shell:
        shell = self._shells.get(transport)
        if shell is None:
            start = self._clock.monotonic()
            try:
                shell = self._shells[transport] = self._open_shell(transport, self._forward_end)
            finally:
                if transport is Transport.SSH:
                    self._append(StageRun("connect", round(self._clock.monotonic() - start, 3), None))
        return shell

    def _remarked(self, trouble: Trouble | None) -> Trouble | None:
        """Return `trouble`; when a learned deadline cut the last stage off, its reason says so."""
        allowed_s = self._job.cut_short(self._stages[-1]) if trouble and self._stages else None
        if trouble is None or allowed_s is None:
            return trouble
        remark = f"a deadline learned from passes; the recipe allows {format_duration(allowed_s)}"
        return Trouble(trouble.cause, f"{trouble.reason[: _MAX_WORDS - len(remark) - 3]} ({remark})")

    def _append(self, run: StageRun) -> None:
        self._stages.append(run)
        if self._on_stage:
            self._on_stage(run)

    def _note(self, text: str) -> None:
        if text:
            self._notes.append(text)

    def _report(self, trouble: Trouble | None) -> Report:
        return Report(
            node=self._job.node.name,
            token=self._job.token,
            outcome=trouble.outcome if trouble else Outcome.PASS,
            cause=trouble.cause if trouble else None,
            reason=clean(trouble.reason, _MAX_WORDS).replace("\n", " ") if trouble else "",
            started_at=self._started_at,
            seconds=round(self._clock.monotonic() - self._start, 3),
            stages=tuple(self._stages),
            left=tuple(self._left),
            note=clean("; ".join(self._notes), _MAX_WORDS).replace("\n", " "),
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise Trouble(Cause.LOCAL, f"the script '{path}' cannot be read: {words(error)}") from None
