"""One probe from start to end: what is run for its goal, what is torn down after it, and the report on it.

It decides and delegates: `plabctl.probes.stage_runner` runs the stages and `plabctl.probes.stage_verdict` reads their
exit codes. Begin reading here; the words are those of `plabctl.core.recipe` and `plabctl.core.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Outcome, Report
from plabctl.core.recipe import Stage
from plabctl.durations import format_duration
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.clean import clean_line
from plabctl.probes.probe_error import ProbeError, build_local_error
from plabctl.probes.remove_leftovers import compute_budget_s, remove_leftovers
from plabctl.probes.stage_runner import OnStage, Open, StageRunner
from plabctl.probes.stall_detector import StallDetector

_MAX_WORDS = 500
_MAX_LEFT = 16
"""Vnodes that are remembered as left on one node."""


class ProbeRun:
    """One probe under way. Used once, by one thread."""

    def __init__(
        self,
        assignment: Assignment,
        open_shell: Open,
        cancellation: Cancellation,
        clock: Clock,
        on_stage: OnStage | None = None,
        stall_detector: StallDetector | None = None,
        owners: Collection[int] = (),
    ) -> None:
        self._job = assignment
        self._recipe = assignment.recipe
        self._steps = StageRunner(assignment, open_shell, cancellation, clock, on_stage, owners)
        self._cancellation = cancellation
        self._clock = clock
        self._stall_detector = stall_detector or StallDetector(clock)
        self._started_at = clock.now()
        self._start = clock.monotonic()
        self._end = self._start + assignment.deadline_s
        # Whatever the stages before do, the teardown behind them keeps its own time.
        self._makes = assignment.goal in {Goal.TEST, Goal.SETUP}
        teardown = self._recipe.teardown if self._makes else None
        self._goal_end = self._end - (teardown.timeout_s if teardown else 0)
        self._is_cut = False
        """Whether a learned deadline cut off the stage that failed."""

    def run(self) -> Report:
        """Carry out the assignment and return the report; never raises."""
        goal, steps = self._job.goal, self._steps
        probe_error = self._excuse_stall(self._add_remark(self._catch(self._run_goal)))
        if probe_error is None and goal is Goal.SETUP:
            steps.left.pop(self._job.vnode, None)  # it is there because it was wanted
        elif self._makes and self._steps.has_begun and not self._cancellation.is_requested:
            probe_error = (
                self._excuse_stall(self._catch(lambda: self._clean_up(passed=probe_error is None))) or probe_error
            )
        is_undone = probe_error is not None or (goal is Goal.TEST and steps.left)
        if self._cancellation.is_requested and is_undone:
            probe_error = ProbeError(Cause.INTERRUPTED, "interrupted")
        steps.close()
        return self._build_report(probe_error)

    def _catch(self, part: Callable[[], None]) -> ProbeError | None:
        try:
            part()
        except ProbeError as probe_error:
            return probe_error
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on our side must not count against the node
            return build_local_error(error)
        return None

    def _run_goal(self) -> None:
        """Connect and do what the goal asks for; raise ProbeError when that fails."""
        self._steps.open(self._recipe.transport, self._goal_end)
        match self._job.goal:
            case Goal.CHECK | Goal.LIVENESS:
                self._check_once()
            case Goal.TEARDOWN:
                self._remove_leftovers()
                self._tear_down()
            case _:
                self._remove_leftovers()
                try:
                    self._set_up()
                finally:
                    if not self._steps.has_begun:  # what never began leaves nothing
                        self._steps.left.pop(self._job.vnode, None)

    def _set_up(self) -> None:
        """Set up, wait until it is up, and check."""
        stages = {"setup": self._recipe.setup, "up": self._recipe.up, "check": self._recipe.check}
        for name, stage in stages.items():
            if stage is None:
                continue
            if self._recipe.teardown is not None:
                self._steps.left[self._job.vnode] = None
            if name == "up":
                self._wait_until_up(stage)
            else:
                self._run(name, stage, self._goal_end)

    def _check_once(self) -> None:
        """Look once at a vnode that should be up."""
        if self._recipe.check is not None:
            self._run("check", self._recipe.check, self._goal_end)
        elif self._recipe.up is not None:
            ran = self._steps.run(self._recipe, "up", self._recipe.up, self._goal_end)
            self._steps.judge("check", self._recipe, ran)

    def _tear_down(self) -> None:
        """Tear down the vnode that the probe is about."""
        if self._recipe.teardown is None:
            why = f"the recipe '{self._recipe.name}' has no teardown, so that nothing here can remove the vnode"
            raise ProbeError(Cause.LOCAL, why)
        if not self._steps.is_alive(self._recipe.transport):
            raise ProbeError(Cause.DEADLINE, "the node stopped answering while an earlier vnode was torn down")
        self._run("teardown", self._recipe.teardown, self._end)
        self._steps.left.pop(self._job.vnode, None)

    def _run(self, name: str, stage: Stage, end: float) -> None:
        ran = self._steps.run(self._recipe, name, stage, end)
        self._steps.judge(name, self._recipe, ran)

    def _wait_until_up(self, stage: Stage) -> None:
        """Look again and again until the vnode is up; raise ProbeError when its time is over."""
        end = min(self._clock.monotonic() + stage.timeout_s, self._goal_end)
        said = ""
        while True:
            ran = None
            try:
                ran = self._steps.run(self._recipe, "up", stage, end)
                self._steps.judge("up", self._recipe, ran)
            except ProbeError as probe_error:
                if self._steps.unstarted:
                    raise
                is_answered = ran is not None and ran.fault is None
                if probe_error.cause is Cause.UP_TIMEOUT and is_answered:
                    said = probe_error.reason
                elif probe_error.cause is not Cause.DEADLINE or (ran is None and not said):
                    raise
                if not is_answered or self._clock.monotonic() + stage.every_s >= end:
                    why = said or probe_error.reason
                    raise ProbeError(Cause.UP_TIMEOUT, f"not up after {stage.timeout_s:g} s: {why}") from None
            else:
                return
            self._cancellation.sleep(stage.every_s)

    def _clean_up(self, *, passed: bool) -> None:
        """Tear down what may be there; raise ProbeError only if that is what fails the probe."""
        recipe = self._recipe
        if recipe.teardown is None:
            return
        failures = self._steps.tear_down(recipe, recipe.teardown, "teardown", [self._job.vnode], self._end)
        if failed := failures.get(self._job.vnode, ""):
            self._steps.add_note(f"teardown: {failed}")
            if passed and recipe.teardown_required:
                raise ProbeError(Cause.TEARDOWN, failed)

    def _remove_leftovers(self) -> None:
        budget_s = compute_budget_s(self._job)
        remove_leftovers(self._job, self._steps, min(self._clock.monotonic() + budget_s, self._goal_end))

    def _add_remark(self, probe_error: ProbeError | None) -> ProbeError | None:
        """Return `probe_error`; when a learned deadline cut the last stage off, its reason says so."""
        is_failure = probe_error is not None and probe_error.outcome is Outcome.FAIL
        allowed_s = (
            self._job.find_lowered_timeout(self._steps.stages[-1]) if is_failure and self._steps.stages else None
        )
        if probe_error is None or allowed_s is None:
            return probe_error
        self._is_cut = True
        remark = f"a deadline learned from passes; the recipe allows {format_duration(allowed_s)}"
        return ProbeError(probe_error.cause, f"{probe_error.reason[: _MAX_WORDS - len(remark) - 3]} ({remark})")

    def _excuse_stall(self, probe_error: ProbeError | None) -> ProbeError | None:
        """Return `probe_error`; as our own when this process stood still while the last stage was under way."""
        if probe_error is None or probe_error.outcome is not Outcome.FAIL:
            return probe_error
        lost_s = self._stall_detector.compute_lost_since(self._steps.began)
        if not lost_s:
            return probe_error
        why = f"this machine stood still for {lost_s:.0f} s meanwhile, asleep, stopped or overloaded"
        return ProbeError(Cause.LOCAL, f"{why}: {probe_error.reason}")

    def _may_exist(self, probe_error: ProbeError | None) -> bool:
        """Return whether the vnode is there, or may be."""
        is_made = self._job.goal is Goal.SETUP and probe_error is None
        return is_made or self._job.vnode in self._steps.left

    def _list_left(self) -> tuple[str, ...]:
        """Return what may still be there, the oldest first; of too many the oldest are forgotten, with a remark."""
        left = tuple(self._steps.left)
        if forgotten := left[:-_MAX_LEFT]:
            remark = f"more than {_MAX_LEFT} vnodes are left; no more remembered: {', '.join(forgotten)}"
            self._steps.notes.insert(0, remark)  # what is long is cut at its end
        return left[-_MAX_LEFT:]

    def _build_report(self, probe_error: ProbeError | None) -> Report:
        return Report(
            node=self._job.node.name,
            token=self._job.token,
            outcome=probe_error.outcome if probe_error else Outcome.PASS,
            cause=probe_error.cause if probe_error else None,
            reason=clean_line(probe_error.reason, _MAX_WORDS) if probe_error else "",
            started_at=self._started_at,
            seconds=round(self._clock.monotonic() - self._start, 3),
            stages=tuple(self._steps.stages),
            left=self._list_left(),
            note=clean_line("; ".join(self._steps.notes), _MAX_WORDS),
            experiment=self._job.experiment,
            goal=self._job.goal,
            stray=self._job.build_stray(self._started_at) if self._may_exist(probe_error) else None,
            is_cut=self._is_cut and probe_error is not None and probe_error.outcome is Outcome.FAIL,
        )
