"""`plabctl sink sync`: what it says, against commands in place of Slurm's."""

from pathlib import Path

import pytest

from tests.cli.console import Desk

SINFO = "pc1|drained|root|plabctl: connect: refused\npc2|idle|Unknown|none\npc7|drained|ada|broken fan\n"


@pytest.fixture
def slurm_desk(used_desk: Desk, programs: Path) -> Desk:
    """A desk whose nodes were tested (pc1 is good, pc2 is bad), with a Slurm that knows others as well."""
    for name, code in (("sinfo", f"cat <<'END'\n{SINFO}END"), ("scontrol", f'echo "$*" >>{used_desk.folder}/calls')):
        (programs / name).write_text(f"#!/bin/sh\n{code}\n")
        (programs / name).chmod(0o755)
    sink = f'\n[[sink]]\nkind = "slurm"\nbin_dir = "{programs}"\nfollow = true\n'
    used_desk.config.write_text(used_desk.config.read_text() + sink)
    used_desk.ok("node", "add", "pc3", "--set", "slurm_name=pc7")
    return used_desk


DONE = """\
slurm: drain pc2: plabctl: setup: hello [/x] from pc2
slurm: resume pc1
plabctl: hold pc3, drained by ada: broken fan
"""


def test_a_dry_run_says_what_would_be_done_and_does_nothing(slurm_desk: Desk) -> None:
    said = slurm_desk.run("sink", "sync", "--dry-run")

    assert (said.code, said.out) == (0, DONE)
    assert said.err == "nothing was changed: --dry-run\n"
    assert not (slurm_desk.folder / "calls").exists()
    assert "held" not in slurm_desk.ok("show", "pc3")


def test_it_does_what_it_says(slurm_desk: Desk) -> None:
    assert slurm_desk.ok("sink", "sync") == DONE

    assert (slurm_desk.folder / "calls").read_text().splitlines() == [
        "update nodename=pc2 state=drain reason=plabctl: setup: hello [/x] from pc2",
        "update nodename=pc1 state=resume",
    ]
    assert "slurm:ada" in slurm_desk.ok("show", "pc3")
    slurm_desk.ok("node", "rm", "pc3", "--yes")
    assert slurm_desk.run("sink", "sync").err == "slurm: pc7 not in plabctl\n"


def test_what_goes_wrong_is_told(slurm_desk: Desk, programs: Path) -> None:
    (programs / "sinfo").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    said = slurm_desk.run("sink", "sync")

    assert said.code == 1
    assert "slurm: sinfo ended with exit code 1: no controller" in said.err
    checked = slurm_desk.run("check")
    assert "slurm: sinfo ended with exit code 1: no controller" in checked.out


def test_what_went_wrong_is_over_when_it_was_done_by_hand(slurm_desk: Desk, programs: Path) -> None:
    sinfo = (programs / "sinfo").read_text()
    (programs / "sinfo").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    assert "no controller" in slurm_desk.run("tick").err
    assert "no controller" in slurm_desk.run("status", "-o", "table").out
    (programs / "sinfo").write_text(sinfo)
    slurm_desk.ok("sink", "sync")

    assert "no controller" not in slurm_desk.ok("status", "-o", "table")
    assert "no controller" not in slurm_desk.run("check").out


def test_without_such_a_sink_it_says_how_to_have_one(desk: Desk) -> None:
    said = desk.run("sink", "sync")

    assert said.code == 2
    assert 'kind = "slurm"' in said.err


def test_a_slurm_sink_has_no_events(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + '\n[[sink]]\nkind = "slurm"\non = ["transition"]\n')
    said = desk.run("config", "check")

    assert said.code == 78
    assert 'sink[1].on: means nothing where kind = "slurm"' in said.err + said.out
