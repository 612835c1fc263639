"""However many leftovers there are, one stage tears them down, and each is judged on its own."""

from pathlib import Path

import pytest

from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Leftover, Outcome, Report
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import SshSettings
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd
from tests.probes.test_probe_run import Site

pytestmark = pytest.mark.xdist_group("leftovers")  # a test ends the stages of its vnodes, whoever else runs some

NAMES = tuple(f"old-{number}" for number in range(4))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, Transport.LOCAL, SshSettings())


def plan(recipe: Recipe, *names: str, goal: Goal = Goal.TEST, vnode: str | None = None) -> Assignment:
    leftovers = tuple((Leftover(name, recipe.name, 0.0), recipe) for name in names)
    return make_assignment(recipe, leftovers=leftovers, goal=goal, vnode=vnode)


def list_stages(report: Report) -> list[str]:
    return [run.stage for run in report.stages if run.stage != "connect"]


def check_that_all_go(site: Site) -> None:
    for name in NAMES:
        site.make(name)
    report = site.probe(plan(site.recipe(), *NAMES))

    assert (report.outcome, report.left, report.note) == (Outcome.PASS, (), "")
    assert list_stages(report) == ["debris", "setup", "up", "check", "teardown"]
    assert site.log()[: len(NAMES)] == [f"teardown {name}" for name in NAMES]
    assert not any(site.has(name) for name in NAMES)


def test_all_of_them_go_in_one_stage(site: Site) -> None:
    check_that_all_go(site)


@pytest.mark.sshd
def test_all_of_them_go_in_one_stage_on_a_node(sshd: Sshd, tmp_path: Path) -> None:
    check_that_all_go(Site(tmp_path, Transport.SSH, sshd.settings()))


@pytest.mark.parametrize("bad", ["echo stuck; exit 3", "echo stuck; set -e; (exit 4)", "echo stuck >&2; ( exit 9 )"])
def test_one_that_does_not_go_keeps_none_of_the_others(site: Site, bad: str) -> None:
    recipe = site.recipe(teardown=f"[ {{vnode}} != old-1 ] || {{ {bad}; exit 5; }}; exit 0")
    report = site.probe(plan(recipe, *NAMES))

    assert (report.outcome, report.left) == (Outcome.PASS, ("old-1",))
    assert report.note == "debris 'old-1': stuck"


def test_one_that_hangs_costs_one_teardown_in_all_and_what_went_before_is_known(site: Site) -> None:
    hang = "[ {vnode} != old-2 ] || { echo hanging; exec sleep 60; }"
    report = site.probe(plan(site.recipe(teardown=Stage(run=hang, timeout_s=1)), *NAMES))

    assert report.left == ("old-2", "old-3")
    assert report.note.count("did not end within 1 s; its last output: hanging") == 2
    assert report.seconds < 5


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_script_is_sent_once_for_all(site: Site, tmp_path: Path, size: int) -> None:
    script = tmp_path / "teardown.sh"
    script.write_text(f'# {"x" * size}\necho "teardown $PLABCTL_VNODE" >>{tmp_path}/log\n')
    recipe = make_recipe(transport=Transport.LOCAL, teardown=Stage(script=str(script), timeout_s=10))
    report = site.probe(plan(recipe, *NAMES, goal=Goal.TEARDOWN, vnode=NAMES[0]))

    assert (report.outcome, report.left) == (Outcome.PASS, ())
    assert site.log() == [f"teardown {name}" for name in (*NAMES[1:], NAMES[0])]


def test_nothing_is_set_up_over_leftovers_of_its_own(site: Site) -> None:
    recipe = site.recipe(teardown="[ {vnode} != old-1 ] || exit 2")
    report = site.probe(plan(recipe, *NAMES, goal=Goal.SETUP, vnode="old-1"))

    assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.TEARDOWN, ("old-1",))
    assert list_stages(report) == ["debris"]


def test_of_too_many_the_oldest_are_forgotten_and_named(site: Site) -> None:
    names = [f"old-{number}" for number in range(17)]
    job = plan(site.recipe(teardown="exit 2"), *names)
    report = site.probe(job)

    assert report.left == (*names[2:], job.vnode)
    assert report.note.startswith("more than 16 vnodes are left; no more remembered: old-0, old-1")
