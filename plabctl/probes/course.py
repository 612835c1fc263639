"""The course of one probe: what is run for its goal, what is torn down after it, and the report on it.

It decides and delegates: `plabctl.probes.steps` runs the stages and `plabctl.probes.verdict` reads their exit codes.
Begin reading here; the words are those of `plabctl.core.recipe` and `plabctl.core.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Outcome, Report
from plabctl.core.recipe import Stage
from plabctl.durations import format_duration
from plabctl.probes.clean import one_line
from plabctl.probes.cut import Cut
from plabctl.probes.pulse import Pulse
from plabctl.probes.steps import OnStage, Open, Steps
from plabctl.probes.trouble import Trouble, of_ours

_MAX_WORDS = 500


class Course:
    """One probe under way. Used once, by one thread."""

    def __init__(
        self,
        assignment: Assignment,
        open_shell: Open,
        cut: Cut,
        clock: Clock,
        on_stage: OnStage | None = None,
        pulse: Pulse | None = None,
        owners: Collection[int] = (),
    ) -> None:
        self._job = assignment
        self._recipe = assignment.recipe
        self._steps = Steps(assignment, open_shell, cut, clock, on_stage, owners)
        self._cut = cut
        self._clock = clock
        self._pulse = pulse or Pulse(clock)
        self._started_at = clock.now()
        self._start = clock.monotonic()
        self._end = self._start + assignment.deadline_s
        # Whatever the stages before do, the teardown behind them keeps its own time.
        teardown = self._recipe.teardown if assignment.goal in {Goal.TEST, Goal.SETUP} else None
        self._forward_end = self._end - (teardown.timeout_s if teardown else 0)
        self._has_begun = False
        self._is_cut = False

    def run(self) -> Report:
        """Carry the assignment out and return what came of it; never raises."""
        goal, steps = self._job.goal, self._steps
        trouble = self._excused(self._remarked(self._guarded(self._forward)))
        if trouble is None and goal is Goal.SETUP:
            steps.left.pop(self._job.vnode, None)  # it is there because it was wanted
        elif self._has_begun and not self._cut.is_made:
            trouble = self._excused(self._guarded(lambda: self._backward(passed=trouble is None))) or trouble
        is_undone = trouble is not None or (goal is Goal.TEST and steps.left)
        if self._cut.is_made and is_undone:
            trouble = Trouble(Cause.INTERRUPTED, "interrupted")
        steps.close()
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
        """Connect and do what the goal asks for; raise Trouble where that ends."""
        self._steps.open(self._recipe.transport, self._forward_end)
        match self._job.goal:
            case Goal.CHECK:
                self._look()
            case Goal.TEARDOWN:
                self._sweep()
                self._remove()
            case _:
                self._sweep()
                self._make()

    def _make(self) -> None:
        """Set up, wait until it is up, and check."""
        stages = {"setup": self._recipe.setup, "up": self._recipe.up, "check": self._recipe.check}
        for name, stage in stages.items():
            if stage is None:
                continue
            self._has_begun = True
            if self._recipe.teardown is not None:
                self._steps.left[self._job.vnode] = None
            if name == "up":
                self._wait_until_up(stage)
            else:
                self._run(name, stage, self._forward_end)

    def _look(self) -> None:
        """Look once at a vnode that should be up."""
        if self._recipe.check is not None:
            self._run("check", self._recipe.check, self._forward_end)
        elif self._recipe.up is not None:
            ran = self._steps.run(self._recipe, "up", self._recipe.up, self._forward_end)
            self._steps.judge("check", self._recipe, ran)

    def _remove(self) -> None:
        """Tear down the vnode that the probe is about."""
        if self._recipe.teardown is None:
            why = f"the recipe '{self._recipe.name}' has no teardown, so that nothing here can remove the vnode"
            raise Trouble(Cause.LOCAL, why)
        if not self._steps.is_alive(self._recipe.transport):
            raise Trouble(Cause.DEADLINE, "the node stopped answering while an earlier vnode was torn down")
        self._run("teardown", self._recipe.teardown, self._end)
        self._steps.left.pop(self._job.vnode, None)

    def _run(self, name: str, stage: Stage, end: float) -> None:
        ran = self._steps.run(self._recipe, name, stage, end)
        self._steps.judge(name, self._recipe, ran)

    def _wait_until_up(self, stage: Stage) -> None:
        """Look again and again until the vnode is up; raise Trouble when its time is over."""
        end = min(self._clock.monotonic() + stage.timeout_s, self._forward_end)
        said = ""
        while True:
            ran = None
            try:
                ran = self._steps.run(self._recipe, "up", stage, end)
                self._steps.judge("up", self._recipe, ran)
            except Trouble as trouble:
                is_answered = ran is not None and ran.fault is None
                if trouble.cause is Cause.UP_TIMEOUT and is_answered:
                    said = trouble.reason
                elif trouble.cause is not Cause.DEADLINE or (ran is None and not said):
                    raise
                if not is_answered or self._clock.monotonic() + stage.every_s >= end:
                    why = said or trouble.reason
                    raise Trouble(Cause.UP_TIMEOUT, f"not up after {stage.timeout_s:g} s: {why}") from None
            else:
                return
            self._cut.sleep(stage.every_s)

    def _backward(self, *, passed: bool) -> None:
        """Tear down what may be there; raise Trouble only if that is what fails the probe."""
        recipe = self._recipe
        if recipe.teardown is None:
            return
        failed = self._steps.tear_down(recipe, recipe.teardown, "teardown", self._job.vnode, self._end)
        if failed:
            self._steps.note(f"teardown: {failed}")
            if passed and recipe.teardown_required:
                raise Trouble(Cause.TEARDOWN, failed)

    def _sweep(self) -> None:
        """Tear down what earlier probes may have left.

        What does not go stays in the report, and the probe goes on, unless it is to set up the very vnode of which
        something is still there.
        """
        own = self._recipe.teardown
        budget = (
            own.timeout_s if own else max((r.teardown.timeout_s for _, r in self._job.debris if r.teardown), default=0)
        )
        end = min(self._clock.monotonic() + budget, self._forward_end)
        for debris, recipe in self._job.debris:
            is_own = debris.vnode == self._job.vnode
            if is_own and self._job.goal is Goal.TEARDOWN:
                continue  # that is what comes next anyway
            if recipe.teardown is None:
                self._steps.left.pop(debris.vnode, None)
                continue
            failed = self._steps.tear_down(recipe, recipe.teardown, "debris", debris.vnode, end)
            if failed:
                self._steps.note(f"debris '{debris.vnode}': {failed}")
            if not self._steps.is_alive(recipe.transport):
                raise Trouble(Cause.DEADLINE, "the node stopped answering while an earlier vnode was torn down")
            if failed and is_own:
                raise Trouble(Cause.TEARDOWN, f"what is left of an earlier try does not go: {failed}")

    def _remarked(self, trouble: Trouble | None) -> Trouble | None:
        """Return `trouble`; when a learned deadline cut the last stage off, its reason says so."""
        is_failure = trouble is not None and trouble.outcome is Outcome.FAIL
        allowed_s = self._job.cut_short(self._steps.stages[-1]) if is_failure and self._steps.stages else None
        if trouble is None or allowed_s is None:
            return trouble
        self._is_cut = True
        remark = f"a deadline learned from passes; the recipe allows {format_duration(allowed_s)}"
        return Trouble(trouble.cause, f"{trouble.reason[: _MAX_WORDS - len(remark) - 3]} ({remark})")

    def _excused(self, trouble: Trouble | None) -> Trouble | None:
        """Return `trouble`; as our own when this process stood still while the last stage was under way."""
        if trouble is None or trouble.outcome is not Outcome.FAIL:
            return trouble
        lost_s = self._pulse.lost_since(self._steps.began)
        if not lost_s:
            return trouble
        why = f"this machine stood still for {lost_s:.0f} s meanwhile, asleep, stopped or overloaded"
        return Trouble(Cause.LOCAL, f"{why}: {trouble.reason}")

    def _may_stand(self, trouble: Trouble | None) -> bool:
        """Say whether the vnode is there, or may be."""
        is_made = self._job.goal is Goal.SETUP and trouble is None
        return is_made or self._job.vnode in self._steps.left

    def _report(self, trouble: Trouble | None) -> Report:
        return Report(
            node=self._job.node.name,
            token=self._job.token,
            outcome=trouble.outcome if trouble else Outcome.PASS,
            cause=trouble.cause if trouble else None,
            reason=one_line(trouble.reason, _MAX_WORDS) if trouble else "",
            started_at=self._started_at,
            seconds=round(self._clock.monotonic() - self._start, 3),
            stages=tuple(self._steps.stages),
            left=tuple(self._steps.left),
            note=one_line("; ".join(self._steps.notes), _MAX_WORDS),
            experiment=self._job.experiment,
            stray=self._job.stray(self._started_at) if self._may_stand(trouble) else None,
            is_cut=self._is_cut and trouble is not None and trouble.outcome is Outcome.FAIL,
        )
