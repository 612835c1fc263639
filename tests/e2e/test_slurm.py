"""The whole of it on a real Slurm: jobs run, nodes break while they are used and while not, and nobody gets in the way.

At the end the record is looked through: no job began on a node that plabctl knew to be bad, and no set-up test began on
a node while a job ran there.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from plabctl.history.database import History
from tests.cli.console import ROOT, Desk
from tests.lab.slurm import NODES, Slurm
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.slurm]

USED, IDLE, CUT, CALM = NODES[:4]
CONFIG = """
state_dir = "state"
window = 4

[pool.good]
kind = "good"
on_fail = "bad"
backoff = {{ kind = "fixed", base = "200ms", jitter = "0s" }}

[pool.bad]
kind = "bad"
on_pass = "good"
backoff = {{ kind = "fixed", base = "200ms", jitter = "0s" }}

[flap]
apart = "0s"

[recipe.process]
transport = "local"
setup = {{ run = "echo test {{node}} $(date +%s.%N) >>{folder}/record; test ! -e {folder}/{{node}}.bad || exit 2" }}

[[occupancy]]
kind = "slurm"
every = "0s"
conf = "{slurm}"

[[sink]]
kind = "slurm"
every = "0s"
conf = "{slurm}"
follow = true
"""
JOB = (
    "echo begin $SLURMD_NODENAME $(date +%s.%N) >>{folder}/record; "
    "until test -e {folder}/$SLURMD_NODENAME.over; do sleep 0.1; done; "
    "echo end $SLURMD_NODENAME $(date +%s.%N) >>{folder}/record"
)
OURS = "plabctl: setup: exit code 2, without output"


class Step(NamedTuple):
    """One line of the record: a test began, or a job began or ended."""

    what: str
    node: str
    at: float


class Site:
    """A desk at which plabctl is used on a Slurm cluster."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        self.desk = Desk(folder)
        self.folder = folder
        self.slurm = slurm
        self.desk.config.write_text(CONFIG.format(folder=folder, slurm=slurm.config))
        slurm.update(",".join(NODES[4:]), "drain", "not for this test")
        [script] = [block for block in _list_blocks(ROOT / "docs/gates.md") if "# prolog.sh" in block]
        environ = f"export PYTHONPATH={ROOT} PATH={Path(sys.executable).parent}:$PATH PLABCTL_CONFIG={self.desk.config}"
        code = f"{environ}\n{script}"
        slurm.set_prolog(
            code.replace("exec plabctl", "plabctl") + f'code=$?; echo "$code" >>{folder}/gates; exit $code'
        )

    def tick(self, *, code: int = 0) -> None:
        """Let time pass until every node is due, tick, and wait until what it left to do is done."""
        time.sleep(0.25)
        said = self.desk.run("tick")
        assert said.code == code, said
        assert wait_until(lambda: not self.is_ticking(), within_s=60)

    def is_ticking(self) -> bool:
        """Return whether a process of a tick is still there: one that ended may have left one that tells Slurm."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_ours = b"fork_server" in (path / "cmdline").read_bytes()
                if is_ours and (path / "cwd").readlink() == self.desk.folder:
                    return True
        return False

    def break_nodes(self, *names: str) -> None:
        for name in names:
            (self.folder / f"{name}.bad").touch()

    def submit(self, node: str) -> str:
        return self.slurm.submit(JOB.format(folder=self.folder), "-w", node, "--exclusive")

    def wait_for_job(self, job: str) -> None:
        self.slurm.wait_for(lambda: self.slurm.job_states().get(job) == "RUNNING")

    def reasons(self) -> dict[str, str]:
        return {name: reason for name, reason in self.slurm.reasons().items() if name in NODES[:4]}

    def read_record(self) -> list[Step]:
        rows = [line.split() for line in (self.folder / "record").read_text().splitlines()]
        return [Step(what, node, float(at)) for what, node, at in rows]

    def read_gates(self) -> list[int]:
        path = self.folder / "gates"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_bad_nodes_drain_themselves_and_nobody_is_disturbed(tmp_path: Path, slurm: Slurm) -> None:
    site = Site(tmp_path, slurm)
    site.desk.ok("node", "add", *NODES[:4])
    site.tick()
    assert site.reasons() == {}
    first = site.submit(USED)
    site.wait_for_job(first)
    assert site.read_gates() == [0]

    # One breaks while it is used, one while it is not.
    site.break_nodes(USED, IDLE)
    site.tick()
    assert site.reasons() == {IDLE: OURS}
    waiting = site.submit(IDLE)

    # Somebody resumes it by hand: the gate keeps the job out, and it is drained again.
    slurm.update(IDLE, "resume")
    assert wait_until(lambda: 1 in site.read_gates(), within_s=30)
    site.tick()
    assert site.reasons() == {IDLE: OURS}
    assert slurm.job_states()[waiting] == "PENDING"

    # The controller is away while another breaks.
    slurm.stop_controller()
    site.break_nodes(CUT)
    site.tick(code=1)
    assert "sinfo ended" in site.desk.run("check").out
    slurm.start_controller()
    site.tick()
    assert site.reasons() == {IDLE: OURS, CUT: OURS}

    # The job ends: what broke under it is found.
    (tmp_path / f"{USED}.over").touch()
    slurm.wait_for(lambda: first not in slurm.job_states())
    site.tick()
    assert site.reasons() == {IDLE: OURS, CUT: OURS, USED: OURS}

    # All is mended, and jobs begin again; one that was queued again by Slurm would wait for two minutes.
    slurm.ok("scancel", waiting)
    for path in tmp_path.glob("*.bad"):
        path.unlink()
    site.tick()
    assert site.reasons() == {}
    site.wait_for_job(site.submit(IDLE))
    site.tick()
    (tmp_path / f"{IDLE}.over").touch()
    slurm.wait_for(lambda: not slurm.job_states())
    _look_through(site)


def _look_through(site: Site) -> None:
    """Check what the record says of jobs and tests."""
    steps = site.read_record()
    jobs = {(step.node, step.at): _find_end(steps, step) for step in steps if step.what == "begin"}
    assert {node for node, _ in jobs} == {USED, IDLE}
    bad = list(_list_bad_times(site))
    assert {node for node, *_ in bad} == {USED, IDLE, CUT}
    for (node, begin), end in jobs.items():
        assert not [span for span in bad if span[0] == node and span[1] <= begin < span[2]], "known to be bad"
        assert not [s for s in steps if (s.what, s.node) == ("test", node) and begin <= s.at < end], "disturbed"
    assert [step for step in steps if (step.what, step.node) == ("test", CALM)]


def _find_end(steps: list[Step], begin: Step) -> float:
    return min(step.at for step in steps if (step.what, step.node) == ("end", begin.node) and step.at > begin.at)


def _list_bad_times(site: Site) -> Iterator[tuple[str, float, float]]:
    """Yield each node that was in bad, from when to when, new ones left out."""
    since: dict[str, float] = {}
    for record in History(site.folder / "state").read(kinds=("transition", "suspect", "refuted")):
        event = record.event
        if event.data["to"] == "bad" and event.node:
            since.setdefault(event.node, event.at)
        elif event.node in since:
            yield event.node, since.pop(event.node), event.at


def _list_blocks(page: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
