"""Time-outs that were lowered to a learned deadline: they hold, and the reason says what cut the stage off."""

import socket
import time
from pathlib import Path

import paramiko
import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Report
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import SshSettings
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe

REMARK = "(a deadline learned from passes; the recipe allows 10m)"


def probe(recipe: Recipe, **lowered: float) -> Report:
    return Prober(SshSettings(), SystemClock()).probe(make_assignment(recipe, lowered=lowered))


def local(**stages: str | Stage | None) -> Recipe:
    return make_recipe(transport=Transport.LOCAL, **stages)  # type: ignore[arg-type]  # stages only


@pytest.mark.parametrize("stage", ["setup", "check"])
def test_a_stage_that_is_cut_off_by_a_learned_deadline_says_so(stage: str) -> None:
    recipe = local(**{stage: Stage(run="echo on it; sleep 60", timeout_s=0.5)})

    cancellation, plain = probe(recipe, **{stage: 600.0}), probe(recipe)

    assert cancellation.cause is plain.cause is Cause.DEADLINE
    assert cancellation.reason == f"{stage} did not end within 0.5 s; its last output: on it {REMARK}"
    assert "learned" not in plain.reason


def test_a_vnode_that_is_not_up_in_the_learned_time_says_so() -> None:
    recipe = local(up=Stage(run="echo booting; exit 2", timeout_s=0.6, every_s=0.1))

    assert probe(recipe, up=600.0).reason == f"not up after 0.6 s: booting {REMARK}"


def test_a_stage_that_fails_by_itself_does_not_blame_the_deadline() -> None:
    assert probe(local(setup=Stage(run="exit 2", timeout_s=60.0)), setup=600.0).reason.endswith("without output")


def test_the_remark_stands_behind_a_reason_of_any_length() -> None:
    recipe = local(setup=Stage(run=f"echo {'x' * 900}; sleep 60", timeout_s=0.5))

    reason = probe(recipe, setup=600.0).reason
    assert reason.endswith(REMARK)
    assert len(reason) <= 500


def test_a_node_that_never_answers_is_given_up_at_the_learned_deadline(tmp_path: Path) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "key"))
    ssh = SshSettings(key=str(tmp_path / "key"), known_hosts=str(tmp_path / "known_hosts"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        job = make_assignment(
            make_recipe(check="true"), connect_timeout_s=0.7, lowered={"connect": 20.0}, ssh_port=port
        )
        start = time.monotonic()
        report = Prober(ssh, SystemClock()).probe(job)

    assert report.reason == "no SSH banner in time (a deadline learned from passes; the recipe allows 20s)"
    assert time.monotonic() - start < 0.7 + 3


def test_the_time_of_up_counts_from_its_first_look_to_its_last() -> None:
    recipe = local(up=Stage(run="exit 2", timeout_s=1.0, every_s=0.2))

    stages = {run.stage: run.seconds for run in probe(recipe).stages}

    assert stages["up"] >= 0.6
