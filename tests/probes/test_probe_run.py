"""A probe does what its goal asks for and no more, on a real sshd and here, whatever fails on the way."""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Leftover, Outcome, Report
from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.probe_run import ProbeRun
from plabctl.probes.prober import Prober
from plabctl.probes.shell import StageResult
from tests.lab.wait_until import wait_until
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd
from tests.probes.stalling_servers import StallingServer

STAGES = ("setup", "up", "check", "teardown")
# No other process may work on vnodes of these names meanwhile: before a teardown, what still makes them is ended.
MINE, OTHER = f"mine-{os.getpid()}-", f"other-{os.getpid()}-"
FAILED = {"setup": Cause.SETUP, "up": Cause.UP_TIMEOUT, "check": Cause.CHECK}
BEGINS = {
    Goal.TEST: "setup", Goal.SETUP: "setup", Goal.CHECK: "check", Goal.TEARDOWN: "teardown", Goal.LIVENESS: "check",
}  # fmt: skip
"""The first stage of each goal."""
STAKES = {Goal.TEST: True, Goal.SETUP: True, Goal.CHECK: False, Goal.TEARDOWN: True, Goal.LIVENESS: False}
"""Whether the vnode may be left there when a probe with that goal was cut off."""


class Site:
    """A node on which a vnode is a directory, and every stage that runs is written down."""

    def __init__(self, directory: Path, transport: Transport, ssh: SshSettings) -> None:
        self.directory = directory
        self.transport = transport
        self.ssh = ssh

    def recipe(self, *lacks: str, **stages: str | Stage) -> Recipe:
        """Return a recipe; `stages` are run in place of what its stages do."""
        here = f"{self.directory}/vnode-{{vnode}}"
        acts = {
            "setup": f"mkdir {here} || exit 2",
            "up": f"[ -d {here} ] || exit 2",
            "check": f"[ -d {here} ] || {{ echo no vnode; exit 2; }}",
            "teardown": f"[ ! -d {here} ] || rmdir {here}",
        }
        made: dict[str, Stage] = {}
        for name in STAGES:
            act = stages.get(name, acts[name])
            stage = act if isinstance(act, Stage) else Stage(run=act, timeout_s=10, every_s=0.05)
            if name not in lacks:
                told = f"echo {name} {{vnode}} >>{self.directory}/log\n{stage.run}"
                made[name] = Stage(run=told, timeout_s=stage.timeout_s, every_s=stage.every_s)
        return make_recipe(transport=self.transport, **made)  # type: ignore[arg-type]  # stages only

    def log(self) -> list[str]:
        """Return what ran, as `STAGE VNODE`."""
        path = self.directory / "log"
        return path.read_text().splitlines() if path.exists() else []

    def has(self, vnode: str) -> bool:
        return (self.directory / f"vnode-{vnode}").is_dir()

    def make(self, vnode: str) -> None:
        (self.directory / f"vnode-{vnode}").mkdir()

    def probe(self, job: Assignment) -> Report:
        prober = Prober(self.ssh, SystemClock())
        prober.prepare()
        return prober.probe(job)

    def probe_and_die(self, job: Assignment, when: Callable[[], bool]) -> None:
        """Let another process probe, and kill it as soon as `when` is true."""
        argv = [
            sys.executable,
            "-c",
            "import sys; from tests.probes.test_probe_run import main; main(sys.stdin.buffer)",
        ]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdin
            process.stdin.write(pickle.dumps((self.ssh, job)))
            process.stdin.close()
            assert wait_until(when)
            process.kill()


def main(stream: BinaryIO) -> None:
    """Do in a process of its own what `Site.probe` does."""
    ssh, job = pickle.load(stream)
    prober = Prober(ssh, SystemClock())
    prober.prepare()
    prober.probe(job)


@pytest.fixture(params=[pytest.param(Transport.SSH, marks=pytest.mark.sshd), Transport.LOCAL])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    transport = request.param
    ssh = request.getfixturevalue("sshd").settings() if transport is Transport.SSH else SshSettings()
    return Site(tmp_path, transport, ssh)


def stages_of(report: Report) -> list[str]:
    return [run.stage for run in report.stages if run.stage != "connect"]


def verdict(report: Report) -> tuple[Outcome, Cause | None, tuple[str, ...]]:
    return report.outcome, report.cause, report.left


def debris(*vnodes: str, recipe: Recipe) -> tuple[tuple[Leftover, Recipe], ...]:
    return tuple((Leftover(vnode, recipe.name, 0.0), recipe) for vnode in vnodes)


class TestSetup:
    def test_what_passed_stays(self, site: Site) -> None:
        job = make_assignment(site.recipe(), goal=Goal.SETUP, experiment="ex")
        report = site.probe(job)

        assert verdict(report) == (Outcome.PASS, None, ())
        assert stages_of(report) == ["setup", "up", "check"]
        assert site.has(job.vnode)
        assert report.stray == Leftover(job.vnode, job.recipe.name, report.started_at)
        assert report.key == job.key == f"ex/{job.node.name}"

    @pytest.mark.parametrize("stage", ["setup", "up", "check"])
    def test_what_failed_is_torn_down(self, site: Site, stage: str) -> None:
        recipe = site.recipe(**{stage: Stage(run="echo why; exit 2", timeout_s=1, every_s=0.1)})
        job = make_assignment(recipe, goal=Goal.SETUP)
        report = site.probe(job)

        assert verdict(report) == (Outcome.FAIL, FAILED[stage], ())
        assert report.stray is None
        assert report.reason.endswith("why")
        assert stages_of(report)[-2:] == [stage, "teardown"]
        assert not site.has(job.vnode)

    @pytest.mark.parametrize("stage", ["setup", "check"])
    def test_what_has_no_opinion_is_torn_down_as_well(self, site: Site, stage: str) -> None:
        job = make_assignment(site.recipe(**{stage: "exit 75"}), goal=Goal.SETUP)

        assert verdict(site.probe(job)) == (Outcome.UNKNOWN, Cause.NO_OPINION, ())
        assert not site.has(job.vnode)

    @pytest.mark.parametrize("stage", ["setup", "up", "check"])
    def test_what_cannot_be_torn_down_is_left(self, site: Site, stage: str) -> None:
        failing = Stage(run="exit 2", timeout_s=1, every_s=0.1)
        job = make_assignment(site.recipe(**{stage: failing}, teardown="echo stuck; exit 2"), goal=Goal.SETUP)
        report = site.probe(job)

        assert verdict(report) == (Outcome.FAIL, FAILED[stage], (job.vnode,))
        assert "teardown: stuck" in report.note

    def test_what_an_earlier_try_left_goes_first(self, site: Site) -> None:
        recipe = site.recipe()
        site.make(MINE)
        site.make(OTHER)
        job = make_assignment(recipe, goal=Goal.SETUP, vnode=MINE, leftovers=debris(OTHER, MINE, recipe=recipe))

        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        assert site.log()[:3] == [f"teardown {OTHER}", f"teardown {MINE}", f"setup {MINE}"]
        assert (site.has(MINE), site.has(OTHER)) == (True, False)

    def test_nothing_is_set_up_over_remains_of_its_own_that_do_not_go(self, site: Site) -> None:
        recipe = site.recipe(teardown="echo stuck; exit 2")
        job = make_assignment(recipe, goal=Goal.SETUP, vnode=MINE, leftovers=debris(MINE, recipe=recipe))
        report = site.probe(job)

        assert verdict(report) == (Outcome.FAIL, Cause.TEARDOWN, (MINE,))
        assert report.reason == "leftovers of an earlier try cannot be removed: stuck"
        assert site.log() == [f"teardown {MINE}"]

    def test_a_set_up_whose_prober_was_killed_ends_before_the_next_one_begins(self, site: Site) -> None:
        slow = site.recipe(setup=f"sleep 1; mkdir {site.directory}/vnode-{{vnode}}")
        job = make_assignment(slow, goal=Goal.SETUP, vnode=MINE)
        site.probe_and_die(job, lambda: site.log() == [f"setup {MINE}"])
        again = make_assignment(site.recipe(), goal=Goal.SETUP, vnode=MINE, leftovers=debris(MINE, recipe=slow))

        assert verdict(site.probe(again)) == (Outcome.PASS, None, ())
        teardown = make_assignment(site.recipe(), goal=Goal.TEARDOWN, vnode=MINE)
        assert verdict(site.probe(teardown)) == (Outcome.PASS, None, ())
        time.sleep(1.2)
        assert not site.has(MINE)

    def test_remains_of_others_that_do_not_go_keep_nobody_from_setting_up(self, site: Site) -> None:
        recipe = site.recipe(teardown="exit 2")
        job = make_assignment(recipe, goal=Goal.SETUP, leftovers=debris(OTHER, recipe=recipe))

        assert verdict(site.probe(job)) == (Outcome.PASS, None, (OTHER,))
        assert site.has(job.vnode)

    def test_a_recipe_with_a_setup_alone_is_set_up_and_stays(self, site: Site) -> None:
        job = make_assignment(site.recipe("up", "check"), goal=Goal.SETUP)

        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        assert site.log() == [f"setup {job.vnode}"]


class TestCheck:
    def test_only_the_check_runs(self, site: Site) -> None:
        site.make(MINE)
        job = make_assignment(site.recipe(), goal=Goal.CHECK, vnode=MINE)

        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        assert site.log() == [f"check {MINE}"]

    @pytest.mark.parametrize("lacks", [(), ("check",)], ids=["check", "up"])
    def test_a_dead_vnode_fails_and_is_left_alone(self, site: Site, lacks: tuple[str, ...]) -> None:
        start = time.monotonic()
        job = make_assignment(site.recipe(*lacks), goal=Goal.CHECK)

        assert verdict(site.probe(job)) == (Outcome.FAIL, Cause.CHECK, ())
        assert site.log() == [f"{'up' if lacks else 'check'} {job.vnode}"]
        assert time.monotonic() - start < 8  # one look, not all that `up` has time for

    def test_without_a_check_one_look_by_up_does(self, site: Site) -> None:
        site.make(MINE)
        job = make_assignment(site.recipe("check"), goal=Goal.CHECK, vnode=MINE)

        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        assert site.log() == [f"up {MINE}"]

    def test_without_both_a_connection_is_enough(self, site: Site) -> None:
        report = site.probe(make_assignment(site.recipe("up", "check"), goal=Goal.CHECK))

        assert verdict(report) == (Outcome.PASS, None, ())
        assert [run.stage for run in report.stages] == (["connect"] if site.transport is Transport.SSH else [])

    def test_debris_stays_and_stays_known(self, site: Site) -> None:
        recipe = site.recipe()
        site.make(MINE)
        job = make_assignment(recipe, goal=Goal.CHECK, vnode=MINE, leftovers=debris(OTHER, recipe=recipe))

        assert verdict(site.probe(job)) == (Outcome.PASS, None, (OTHER,))
        assert site.log() == [f"check {MINE}"]

    def test_a_check_without_opinion_says_nothing(self, site: Site) -> None:
        job = make_assignment(site.recipe(check="exit 75"), goal=Goal.CHECK)

        assert verdict(site.probe(job)) == (Outcome.UNKNOWN, Cause.NO_OPINION, ())


class TestTeardown:
    def test_a_set_up_whose_prober_was_killed_makes_nothing_afterwards(self, site: Site) -> None:
        slow = site.recipe(setup=f"sleep 1; mkdir {site.directory}/vnode-{{vnode}}")
        site.probe_and_die(make_assignment(slow, goal=Goal.SETUP, vnode=MINE), lambda: site.log() == [f"setup {MINE}"])

        job = make_assignment(slow, goal=Goal.TEARDOWN, vnode=MINE)
        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        time.sleep(1.2)
        assert not site.has(MINE)

    def test_only_the_teardown_runs_and_twice_is_harmless(self, site: Site) -> None:
        site.make(MINE)
        job = make_assignment(site.recipe(), goal=Goal.TEARDOWN, vnode=MINE)

        assert [verdict(site.probe(job)) for _ in range(2)] == [(Outcome.PASS, None, ())] * 2
        assert site.log() == [f"teardown {MINE}"] * 2
        assert not site.has(MINE)

    @pytest.mark.parametrize(
        ("code", "outcome", "cause"),
        [(2, Outcome.FAIL, Cause.TEARDOWN), (75, Outcome.UNKNOWN, Cause.NO_OPINION)],
    )
    def test_what_does_not_go_is_left(self, site: Site, code: int, outcome: Outcome, cause: Cause) -> None:
        job = make_assignment(site.recipe(teardown=f"echo stuck; exit {code}"), goal=Goal.TEARDOWN)
        report = site.probe(job)

        assert verdict(report) == (outcome, cause, (job.vnode,))
        assert report.reason == "stuck"

    def test_debris_goes_as_well_and_the_vnode_only_once(self, site: Site) -> None:
        recipe = site.recipe()
        job = make_assignment(recipe, goal=Goal.TEARDOWN, vnode=MINE, leftovers=debris(MINE, OTHER, recipe=recipe))

        assert verdict(site.probe(job)) == (Outcome.PASS, None, ())
        assert site.log() == [f"teardown {OTHER}", f"teardown {MINE}"]

    def test_a_recipe_that_lost_its_teardown_leaves_the_vnode(self, site: Site) -> None:
        job = make_assignment(site.recipe("teardown"), goal=Goal.TEARDOWN)
        report = site.probe(job)

        assert verdict(report) == (Outcome.UNKNOWN, Cause.LOCAL, (job.vnode,))
        assert "has no teardown" in report.reason


SLOW = Stage(run="echo begun; sleep 60", timeout_s=60)


class TestDeadlines:
    @pytest.mark.parametrize("goal", Goal)
    def test_a_stage_that_is_late_ends_at_its_time_out(self, site: Site, goal: Goal) -> None:
        late = Stage(run=SLOW.run, timeout_s=1)
        job = make_assignment(site.recipe(**{BEGINS[goal]: late}), goal=goal)
        start = time.monotonic()
        report = site.probe(job)

        left = (job.vnode,) if goal is Goal.TEARDOWN else ()
        assert verdict(report) == (Outcome.FAIL, Cause.DEADLINE, left)
        assert "begun" in report.reason
        assert ("teardown" in stages_of(report)) == (goal not in {Goal.CHECK, Goal.LIVENESS})
        assert time.monotonic() - start < 1 + 8

    @pytest.mark.usefixtures("patience")
    @pytest.mark.parametrize("goal", [Goal.TEST, Goal.SETUP])
    def test_the_deadline_in_mid_setup_leaves_the_teardown_its_time(self, site: Site, goal: Goal) -> None:
        recipe = site.recipe(setup=SLOW, teardown=Stage(run="sleep 0.3", timeout_s=5))
        job = make_assignment(recipe, goal=goal, deadline_s=7)
        report = site.probe(job)

        assert verdict(report) == (Outcome.FAIL, Cause.DEADLINE, ())
        assert stages_of(report) == ["setup", "teardown"]
        assert report.seconds < 7

    @pytest.mark.parametrize(("goal", "deadline_s"), [(Goal.CHECK, 2), (Goal.TEARDOWN, 2)])
    def test_the_deadline_bounds_what_runs_alone(self, site: Site, goal: Goal, deadline_s: float) -> None:
        job = make_assignment(site.recipe(**{BEGINS[goal]: SLOW}), goal=goal, deadline_s=deadline_s)
        report = site.probe(job)

        assert verdict(report) == (Outcome.FAIL, Cause.DEADLINE, (job.vnode,) if goal is Goal.TEARDOWN else ())
        assert report.seconds < deadline_s + 1

    @pytest.mark.parametrize("goal", Goal)
    def test_the_longest_time_is_that_of_the_stages_of_the_goal(self, goal: Goal) -> None:
        seconds = {"setup": 1.0, "up": 10.0, "check": 100.0, "teardown": 1000.0}
        stages = {name: Stage(run="true", timeout_s=limit) for name, limit in seconds.items()}
        whole = 0.5 + 1 + 10 + 100 + 2 * 1000
        expected = {
            Goal.TEST: whole, Goal.SETUP: whole, Goal.CHECK: 100.5, Goal.TEARDOWN: 2000.5, Goal.LIVENESS: 100.5,
        }  # fmt: skip

        assert Recipe("r", **stages).compute_longest_s(0.5, goal) == expected[goal]  # type: ignore[arg-type]  # stages only
        assert Recipe("r", **stages).compute_longest_s(0.5) == whole  # type: ignore[arg-type]  # as above
        assert Recipe("r", up=stages["up"]).compute_longest_s(0.5, Goal.CHECK) == 10.5
        assert Recipe("r").compute_longest_s(0.5, goal) == 0.5

    @pytest.mark.parametrize("stall", ["channel", "silence"])
    @pytest.mark.parametrize("goal", Goal)
    def test_a_node_that_stalls_costs_no_more_than_the_time_out(
        self, stalling_server: Callable[[str], StallingServer], goal: Goal, stall: str
    ) -> None:
        recipe = make_recipe(**dict.fromkeys(STAGES, "true") | {BEGINS[goal]: Stage(run="stall", timeout_s=1)})  # type: ignore[arg-type]  # stages only
        job = make_assignment(recipe, goal=goal, deadline_s=60)
        prober = Prober(stalling_server(stall).settings(connect_timeout_s=10.0), SystemClock())
        prober.prepare()
        report = prober.probe(job)

        left = (job.vnode,) if goal is Goal.TEARDOWN else ()  # else it was torn down, or no stage was ever sent
        assert verdict(report) == (Outcome.FAIL, Cause.DEADLINE, left)
        assert report.seconds - report.stages[0].seconds < 1 + 3


def cut_in_mid_stage(
    site: Site, goal: Goal, cancellation: Callable[[ThreadExecutor], None]
) -> tuple[Assignment, Report]:
    recipe = site.recipe(**{BEGINS[goal]: Stage(run=f"touch {site.directory}/begun; exec sleep 30", timeout_s=60)})
    job = make_assignment(recipe, goal=goal)
    prober = Prober(site.ssh, SystemClock())
    prober.prepare()
    runner = ThreadExecutor(prober, SystemClock())
    runner.start(job)
    end = time.monotonic() + 20
    while not (site.directory / "begun").exists():
        assert runner.wait(0.02) == []
        assert time.monotonic() < end
    start = time.monotonic()
    cancellation(runner)
    (report,) = runner.wait(20)
    assert time.monotonic() - start < 10
    return job, report


class TestCutOff:
    @pytest.mark.parametrize("goal", Goal)
    def test_what_was_interrupted_is_left(self, site: Site, goal: Goal) -> None:
        start = time.monotonic()
        job, report = cut_in_mid_stage(site, goal, ThreadExecutor.interrupt)

        left = (job.vnode,) if STAKES[goal] else ()
        assert verdict(report) == (Outcome.UNKNOWN, Cause.INTERRUPTED, left)
        assert time.monotonic() - start < 20

    @pytest.mark.sshd
    @pytest.mark.parametrize("goal", Goal)
    def test_what_lost_its_connection_is_left(self, own_sshd: Sshd, tmp_path: Path, goal: Goal) -> None:
        def kill(_: ThreadExecutor) -> None:
            own_sshd.kill_sessions()

        job, report = cut_in_mid_stage(Site(tmp_path, Transport.SSH, own_sshd.settings()), goal, kill)

        left = (job.vnode,) if STAKES[goal] else ()
        assert verdict(report) == (Outcome.FAIL, Cause.CONNECT, left)
        assert "lost its connection" in report.reason

    @pytest.mark.parametrize("goal", Goal)
    def test_a_node_that_cannot_be_reached_keeps_what_it_has(self, tmp_path: Path, goal: Goal) -> None:
        job = make_assignment(make_recipe(setup="true", teardown="true"), goal=goal, ssh_port="1")
        StallingServer("accept", tmp_path).stop()
        report = Prober(
            SshSettings(key=str(tmp_path / "user"), known_hosts=str(tmp_path / "known_hosts")), SystemClock()
        ).probe(job)

        assert verdict(report) == (Outcome.FAIL, Cause.CONNECT, (job.vnode,) if goal is Goal.TEARDOWN else ())

    @pytest.mark.parametrize("goal", Goal)
    def test_what_has_passed_when_the_cut_comes_has_passed(self, goal: Goal) -> None:
        cancellation = Cancellation()
        last = {Goal.CHECK: "check", Goal.TEARDOWN: "teardown"}.get(goal, "check")
        recipe = make_recipe(setup="setup", check="check", teardown="teardown", transport=Transport.LOCAL)
        job = make_assignment(recipe, goal=goal)

        class Told:
            def run(
                self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
            ) -> StageResult:
                if text == last:
                    cancellation.request()
                return StageResult(0, "", truncated=False)

            def is_alive(self) -> bool:
                return True

            def close(self) -> None:
                pass

        report = ProbeRun(job, lambda transport, end: Told(), cancellation, SystemClock()).run()

        if goal is Goal.TEST:  # its vnode is still to be torn down
            assert verdict(report) == (Outcome.UNKNOWN, Cause.INTERRUPTED, (job.vnode,))
        else:
            assert verdict(report) == (Outcome.PASS, None, ())

    def test_a_pause_that_lasts_past_the_time_to_come_up_is_still_a_vnode_that_is_not_up(self) -> None:
        recipe = make_recipe(up=Stage(run="look", timeout_s=1, every_s=0.1))
        job = make_assignment(recipe, goal=Goal.CHECK, deadline_s=60)

        class Sleepy(Cancellation):
            """A machine so busy that each pause lasts for seconds."""

            slept_s = 0.0

            def sleep(self, seconds: float) -> None:
                self.slept_s += seconds + 5

        class Told:
            def run(
                self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
            ) -> StageResult:
                return StageResult(2, "not yet", truncated=False)

            def is_alive(self) -> bool:
                return True

            def close(self) -> None:
                pass

        class Late(SystemClock):
            def monotonic(self) -> float:
                return super().monotonic() + cancellation.slept_s

        cancellation = Sleepy()
        for goal in (Goal.SETUP, Goal.TEST):
            cancellation.slept_s = 0.0
            report = ProbeRun(replace(job, goal=goal), lambda transport, end: Told(), cancellation, Late()).run()

            assert verdict(report)[:2] == (Outcome.FAIL, Cause.UP_TIMEOUT)
            assert report.reason == "not up after 1 s: not yet"

    @pytest.mark.parametrize("goal", Goal)
    def test_a_thread_that_does_not_come_back_leaves_what_its_goal_puts_at_stake(self, goal: Goal) -> None:
        over = threading.Event()
        recipe = make_recipe(setup="true", teardown="true")
        job = make_assignment(
            recipe,
            goal=goal,
            experiment="ex",
            vnode=MINE,
            leftovers=debris(MINE, OTHER, recipe=recipe),
            deadline_s=0,
        )

        class Stuck:
            def probe(self, assignment: Assignment) -> Report:
                over.wait(20)
                raise RuntimeError

            def interrupt(self) -> None:
                pass

        runner = ThreadExecutor(Stuck(), SystemClock())
        runner.start(job)
        (report,) = runner.wait(10)
        over.set()

        assert verdict(report) == (Outcome.UNKNOWN, Cause.LOCAL, (MINE, OTHER))
        assert report.key == job.key
        plain = make_assignment(recipe, goal=goal)
        assert plain.list_at_stake(begun=True) == ((plain.vnode,) if STAKES[goal] else ())
        assert plain.list_at_stake(begun=False) == ((plain.vnode,) if goal is Goal.TEARDOWN else ())
