"""The sink `slurm` against a real Slurm: what is not usable is drained, and only plabctl's own drains are undone."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from plabctl.core.settings import SinkSettings
from plabctl.core.slurm_nodes import NODE_FORMAT, parse_nodes
from plabctl.errors import HookFault
from plabctl.sinks.slurm import SlurmOptions
from tests.app.installation import Installation
from tests.lab.slurm import NODES, Slurm

A, B, C = NODES[:3]
OURS = "plabctl: setup: exit code 2, without output"
SINFO = "sn1|idle|Unknown|none\nsn2|idle|Unknown|none\nsn3|idle|Unknown|none\n"


def make_sink(conf: str = "", bin_dir: str = "", *, follow: bool = False, timeout_s: float = 20.0) -> SinkSettings:
    return SinkSettings("slurm", (), timeout_s, SlurmOptions(conf, bin_dir, follow, every_s=0.0))


def install(folder: Path, slurm: Slurm, *, follow: bool = False) -> Installation:
    """An installation with three nodes of the cluster, all tested and usable."""
    here = Installation(folder, sinks=(make_sink(str(slurm.config), follow=follow),))
    here.add(A, B, C)
    here.tick()
    assert set(here.pools().values()) == {"good"}
    return here


def retest(here: Installation, *names: str) -> None:
    here.make_due(*names)
    here.tick()


@pytest.mark.slurm
def test_what_fails_is_drained_and_what_works_again_is_resumed(tmp_path: Path, slurm: Slurm) -> None:
    here = install(tmp_path, slurm)
    assert set(slurm.states().values()) == {"idle"}, "what was never tested, and then passed, is left as it is"

    here.break_node(A)
    retest(here, A)
    assert slurm.states() == {**dict.fromkeys(NODES, "idle"), A: "drained"}
    assert slurm.reasons() == {A: OURS}
    here.mend_node(A)
    retest(here, A)

    assert slurm.reasons() == {}
    slurm.wait_for(lambda: slurm.states()[A] == "idle")


@pytest.mark.slurm
def test_drains_of_others_stay_and_ours_come_again(tmp_path: Path, slurm: Slurm) -> None:
    here = install(tmp_path, slurm)
    slurm.update(A, "drain", "broken fan\nsince Monday")
    slurm.update(B, "fail", "will break")
    for name in (A, B, C):
        here.break_node(name)
    retest(here)
    assert parse_nodes(slurm.ok("sinfo", "--all", "-N", "-h", "-o", NODE_FORMAT))[C].reason == OURS
    slurm.update(A, "drain", "broken fan")
    assert slurm.reasons() == {A: "broken fan", B: "will break", C: OURS}

    slurm.update(C, "resume")
    here.tick()
    assert slurm.reasons()[C] == OURS, "a node that somebody resumed by hand is drained again"
    slurm.update(C, "drain", "plabctl was right")
    for name in (A, B, C):
        here.mend_node(name)
    retest(here)

    assert slurm.reasons() == {A: "broken fan", B: "will break", C: "plabctl was right"}


@pytest.mark.slurm
def test_a_persons_drain_is_followed_as_a_hold(tmp_path: Path, slurm: Slurm) -> None:
    here = install(tmp_path, slurm, follow=True)
    slurm.update(A, "drain", "broken fan")
    here.tick()
    hold = here.member(A).hold
    assert hold
    assert (hold.actor, hold.reason, hold.until_at) == ("slurm:root", "broken fan", None)

    here.break_node(A)
    retest(here, A)
    assert slurm.reasons() == {A: "broken fan"}
    slurm.update(A, "resume")
    here.tick()
    assert here.member(A).hold is None
    retest(here, A)

    assert slurm.reasons() == {A: OURS}
    assert [record.event.kind for record in here.history("hold", "release")] == ["hold", "release"]


@pytest.mark.slurm
def test_a_node_is_found_by_its_variable_and_strangers_are_told_once(tmp_path: Path, slurm: Slurm) -> None:
    here = Installation(tmp_path, sinks=(make_sink(conf=str(slurm.config)),))
    here.add("pc1", slurm_name=A.upper())
    here.add("pc2", "pc3", slurm_name=B)
    here.add("pc9")
    for name in ("pc1", "pc2", "pc9"):
        here.break_node(name)
    here.tick()
    here.tick()

    assert slurm.reasons() == {A: OURS}, "of two that claim to be one neither is believed"
    [record] = here.history("names-differ")
    assert record.event.data["reason"] == (
        f"slurm '{slurm.config}': {B} claimed by several nodes of plabctl; pc9 not in Slurm; "
        f"{', '.join(NODES[2:])} not in plabctl"
    )


@pytest.fixture
def fake(tmp_path: Path, programs: Path) -> Callable[..., Installation]:
    """An installation with commands that are shell code in place of Slurm's; all calls of scontrol are noted."""

    def write(sinfo: str, scontrol: str = ":", timeout_s: float = 20.0) -> Installation:
        for name, code in (("sinfo", sinfo), ("scontrol", f'echo "$*" >>{tmp_path}/calls; {scontrol}')):
            (programs / name).write_text(f"#!/bin/sh\n{code}\n")
            (programs / name).chmod(0o755)
        here = Installation(tmp_path, sinks=(make_sink(bin_dir=str(programs), timeout_s=timeout_s),))
        here.add(A, B, C)
        here.break_node(A)
        here.break_node(B)
        return here

    return write


def read_calls(folder: Path) -> Sequence[str]:
    calls = folder / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize(
    ("sinfo", "words"),
    [
        ("echo 'sinfo: error: Incompatible versions of client and server code' >&2; exit 1", "Incompatible versions"),
        ("echo hello", "not understood: it printed 'hello'"),
        ("echo '{}'", "not understood"),
        ("echo 'sn1|idle'", "not understood"),
        ("echo 'sn1|7 up|root|none'", "not understood"),
        (":", "it printed no node"),
        ("echo 'other|idle|Unknown|none'", "no node of plabctl has a node there: sn1, sn2, sn3 not in Slurm; other"),
        ("kill -9 $$", "was ended by signal 9"),
    ],
)
def test_a_slurm_that_is_not_understood_is_told_and_nothing_changes(
    tmp_path: Path, fake: Callable[..., Installation], sinfo: str, words: str
) -> None:
    here = fake(sinfo)
    with pytest.raises(HookFault) as told:
        here.tick()

    assert words in str(told.value)
    assert read_calls(tmp_path) == []
    assert here.pools() == {A: "bad", B: "bad", C: "good"}


def test_commands_that_hang_delay_no_test_and_are_told(tmp_path: Path, fake: Callable[..., Installation]) -> None:
    here = fake("sleep 60", timeout_s=1.5)
    began = time.monotonic()
    with pytest.raises(HookFault, match=r"sinfo did not end within 1\.5 s$"):
        here.tick()

    assert time.monotonic() - began < 15
    tested_at = [here.member(name).probed_at or 0.0 for name in (A, B, C)]
    assert here.pools() == {A: "bad", B: "bad", C: "good"}
    assert max(tested_at) - min(tested_at) < 1.4, "the tests did not wait"


def test_an_update_that_hangs_is_told_in_the_same_words_each_time(
    tmp_path: Path, fake: Callable[..., Installation]
) -> None:
    here = fake(f"printf '{SINFO}'", "sleep 60", timeout_s=2.0)
    with pytest.raises(HookFault, match=r"^slurm: scontrol did not end within 2 s \(drain sn1, sn2: plabctl"):
        here.tick()


def test_what_scontrol_refuses_is_told_and_the_rest_is_done(tmp_path: Path, fake: Callable[..., Installation]) -> None:
    sinfo = SINFO.replace("sn3|idle|Unknown|none", "sn3|drained|root|plabctl: connect: refused")
    refusal = 'case "$*" in *drain*) echo "slurm_update error: Access/permission denied" >&2; exit 1;; esac'
    here = fake(f"printf '{sinfo}'", refusal)
    with pytest.raises(
        HookFault, match="scontrol ended with exit code 1: slurm_update error: Access/permission denied"
    ):
        here.tick()

    assert read_calls(tmp_path) == [
        f"update nodename=sn1,sn2 state=drain reason={OURS}",
        "update nodename=sn3 state=resume",
        f"update nodename=sn1 state=drain reason={OURS}",
        f"update nodename=sn2 state=drain reason={OURS}",
        "update nodename=sn3 state=resume",
    ]


def test_what_is_refused_for_several_nodes_at_once_is_done_one_by_one(
    tmp_path: Path, fake: Callable[..., Installation]
) -> None:
    refusal = 'case "$*" in *sn1,sn2*) echo "Invalid node state specified" >&2; exit 1;; esac'
    fake(f"printf '{SINFO}'", refusal).tick()

    assert read_calls(tmp_path)[1:] == [
        f"update nodename=sn1 state=drain reason={OURS}",
        f"update nodename=sn2 state=drain reason={OURS}",
    ]
