"""Recipes that run on the monitor."""

import time
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe


def local(**stages: str | Stage | None) -> Recipe:
    return make_recipe(transport=Transport.LOCAL, **stages)  # type: ignore[arg-type]  # stages only


def probe(recipe: Recipe, **variables: str) -> Report:
    return Prober(SshSettings(), SystemClock()).probe(make_assignment(recipe, **variables))  # type: ignore[arg-type]  # variables are strings


@pytest.mark.parametrize(
    ("code", "outcome", "cause", "note"),
    [
        (0, Outcome.PASS, None, ""),
        (1, Outcome.PASS, None, "DISK WARNING - 5% free | x=1"),
        (2, Outcome.FAIL, Cause.CHECK, ""),
        (3, Outcome.UNKNOWN, Cause.NO_OPINION, ""),
        (75, Outcome.UNKNOWN, Cause.NO_OPINION, ""),
        (4, Outcome.FAIL, Cause.CHECK, ""),
        (127, Outcome.FAIL, Cause.CHECK, ""),
    ],
)
def test_exit_codes_are_those_of_monitoring_plug_ins(
    code: int, outcome: Outcome, cause: Cause | None, note: str
) -> None:
    report = probe(local(check=f"echo 'DISK WARNING - 5% free | x=1'; exit {code}"))

    assert (report.outcome, report.cause, report.note) == (outcome, cause, note)
    assert report.reason == ("DISK WARNING - 5% free | x=1" if outcome is not Outcome.PASS else "")


def test_no_ssh_is_needed() -> None:
    assert probe(local(check="true")).outcome is Outcome.PASS


def test_values_come_quoted_and_in_the_environment() -> None:
    report = probe(local(check='echo {site} "$PLABCTL_SITE" "$PLABCTL_VNODE" {vnode}; exit 2'), site="a 'b' $(c)")

    vnode = report.reason.split()[-1]
    assert report.reason == f"a 'b' $(c) a 'b' $(c) {vnode} {vnode}"


def test_the_whole_group_is_killed_at_the_deadline(tmp_path: Path) -> None:
    run = f"trap '' TERM; (trap '' TERM; sleep 60; touch {tmp_path}/survived) & echo begun; sleep 60"
    start = time.monotonic()
    report = probe(local(setup=Stage(run=run, timeout_s=0.5), teardown="true"))

    assert time.monotonic() - start < 0.5 + 1
    assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.DEADLINE, ())
    assert "begun" in report.reason


def test_a_grandchild_that_holds_the_output_blocks_nobody() -> None:
    start = time.monotonic()
    report = probe(local(check=Stage(run="sleep 3 & echo done", timeout_s=30)))

    assert time.monotonic() - start < 2
    assert (report.outcome, report.stages[-1].output) == (Outcome.PASS, "done\n")


def test_a_flood_is_cut_off() -> None:
    report = probe(local(check="yes"))

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CHECK)
    assert "endlessly" in report.reason


def test_a_command_killed_by_a_signal_fails() -> None:
    report = probe(local(check="echo last; kill -9 $$"))

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CHECK)
    assert "signal" in report.reason


def test_up_is_polled_here_too(tmp_path: Path) -> None:
    report = probe(local(up=f"echo x >>{tmp_path}/n; [ $(wc -l <{tmp_path}/n) -ge 3 ] || exit 2"))

    assert report.outcome is Outcome.PASS


def test_an_interrupt_kills_the_group_at_once(tmp_path: Path) -> None:
    prober = Prober(SshSettings(), SystemClock())
    runner = ThreadExecutor(prober, SystemClock())
    job = make_assignment(local(setup=f"trap '' TERM; echo x >{tmp_path}/pid; sleep 60", teardown="true"))
    runner.start(job)
    while not (tmp_path / "pid").exists():
        assert runner.wait(0.05) == []
    start = time.monotonic()
    runner.interrupt()
    (report,) = runner.wait(5)

    assert time.monotonic() - start < 1
    assert (report.outcome, report.cause, report.left) == (Outcome.UNKNOWN, Cause.INTERRUPTED, (job.vnode,))


def test_no_time_left_is_a_deadline() -> None:
    prober = Prober(SshSettings(), SystemClock())
    recipe = local(setup="true", check=Stage(run="sleep 60", timeout_s=60), teardown=Stage(run="true", timeout_s=5))
    report = prober.probe(make_assignment(recipe, deadline_s=5.5))

    assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.DEADLINE, ())
    assert report.seconds < 5


def test_what_a_recipe_fills_in_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    look = f'cat /proc/*/cmdline >{tmp_path}/seen 2>/dev/null; test {{token}} = "$PLABCTL_TOKEN" || exit 2'

    report = probe(local(check=look), token="kanarienvogel")

    assert report.outcome is Outcome.PASS
    assert b"plabctl_stage" in (tmp_path / "seen").read_bytes()
    assert b"kanarienvogel" not in (tmp_path / "seen").read_bytes()


def test_what_a_stage_starts_does_not_inherit_its_text(tmp_path: Path) -> None:
    assert probe(local(check=f"env >{tmp_path}/seen")).outcome is Outcome.PASS

    assert "PLABCTL_STAGE" not in (tmp_path / "seen").read_text()


@pytest.mark.parametrize("as_script", [True, False], ids=["script", "run"])
def test_code_of_any_length_runs_as_short_code_does(tmp_path: Path, as_script: bool) -> None:
    text = (
        "# "
        + "x" * 3_000_000
        + f"""
[ "$(cat)" = "" ] || echo 'something is on standard input'
env | grep -c plabctl_stage
echo 'the end of {{site}}, of '"$PLABCTL_SITE"; echo "$0" >{tmp_path}/name
exit 2
"""
    )
    (tmp_path / "long.sh").write_text(text)
    stage = Stage(script=str(tmp_path / "long.sh")) if as_script else Stage(run=text.replace("{site}", "site"))
    report = probe(local(check=stage), site="x")

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CHECK)
    said = "0\nthe end of {site}, of x\n" if as_script else "0\nthe end of site, of x\n"
    assert report.stages[-1].output == said
    assert (tmp_path / "name").read_text() == "/bin/sh\n"


def test_many_long_labels_reach_a_local_stage() -> None:
    labels = {f"label{number}": "v" * 1000 for number in range(150)}
    report = probe(local(check='env | grep -c "^PLABCTL_LABEL[0-9]*=v\\{1000\\}$"; exit 2'), **labels)

    assert report.reason == "150"


def test_more_labels_than_this_machine_can_give_to_a_command_are_no_fault_of_the_node() -> None:
    report = probe(local(check="true"), **{f"label{number}": "v" * 1000 for number in range(10_000)})

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert "argument list too long" in report.reason
