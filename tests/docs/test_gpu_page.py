"""The recipe of docs/gpu.md, as it stands there, with stand-ins for nvidia-smi and PyTorch: no GPU is needed."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.config.load import load
from plabctl.core.model import Cause, Outcome
from plabctl.core.settings import Origin
from plabctl.probes.prober import Prober
from tests.docs.pages import DOCS
from tests.probes.jobs import make_assignment
from tests.probes.openssh import Sshd, needs_sshd

TEXT = (DOCS / "gpu.md").read_text()
SMI = """#!/bin/sh
case $1 in
--query-gpu=uuid) {gpus} ;;
--query-compute-apps=pid) {apps} ;;
esac
"""
FOUR = "for n in 1 2 3 4; do echo GPU-$n; done"
TORCH = """
import builtins

class Tensor:
    def __init__(self, way="", number=0):
        self.way, self.number = way, number
    def sum(self):
        return self.number
    def double(self):
        return self
    def __matmul__(self, other):
        return Tensor(f"({{self.way}}{{other.way}})")

class cuda:
    def device(index):
        class Here:
            def __enter__(self):
                cuda.index = index
            def __exit__(self, *_):
                pass
        return Here()
    def device_count():
        return {count}

uint8 = None

def ones(size, dtype, device):
    if {fails!r} and cuda.index == 1:
        raise RuntimeError({fails!r})
    return Tensor(number=size)

def randint(low, high, size, device):
    return Tensor("x" if size[1] == 1 else "m")

def equal(one, other):
    assert (one.way, other.way) == ("((mm)x)", "(m(mx))")
    return cuda.index != {wrong}
"""


def find_block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def fill(folder: Path, *, gpus: str = FOUR, apps: str = "true", torch: Mapping[str, object] | None = None) -> Path:
    """Put the stand-ins into `folder`: what nvidia-smi does, and what PyTorch has."""
    smi = folder / "nvidia-smi"
    smi.write_text(SMI.format(gpus=gpus, apps=apps))
    smi.chmod(0o755)
    if torch is not None:
        values = {"count": 4, "wrong": None, "fails": "", **torch}
        (folder / "torch.py").write_text(TORCH.format(**values))
    return folder


@pytest.fixture(name="script", scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "gpu-test.sh"
    path.write_text(find_block("sh"))
    return path


def run(script: Path, folder: Path, **variables: str) -> tuple[int, str]:
    """Return the exit code of the script and its last line."""
    path = f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
    environ = {"PATH": path, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(["sh", script], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip().rpartition("\n")[2]


def test_each_gpu_multiplies(script: Path, tmp_path: Path) -> None:
    assert run(script, fill(tmp_path, torch={})) == (0, "4 GPUs multiply")
    assert run(script, tmp_path, PLABCTL_GPUS="4", PLABCTL_PYTHON=sys.executable) == (0, "4 GPUs multiply")
    assert run(script, tmp_path, PLABCTL_PYTHON="/no/such")[0] != 0


@pytest.mark.parametrize(
    ("gpus", "torch", "words"),
    [
        ("echo; exit 0", {}, "no GPU: nvidia-smi lists none"),
        ("echo Driver not loaded >&2; exit 9", {}, "no GPU answers: Driver not loaded"),
        (FOUR.replace(" 4;", ";"), {}, "3 of 4 GPUs answer"),
        (FOUR, None, "GPUs are not tested: No module named 'torch'"),
        (FOUR, {"count": 0}, "no GPU: PyTorch finds none"),
        (FOUR, {"wrong": 2}, "GPU 2 multiplies wrongly"),
        (FOUR, {"fails": "CUDA error: out of memory"}, "RuntimeError: CUDA error: out of memory"),
    ],
)
def test_a_node_whose_gpus_do_not_work_fails_and_says_why(
    script: Path, tmp_path: Path, gpus: str, torch: Mapping[str, object] | None, words: str
) -> None:
    assert run(script, fill(tmp_path, gpus=gpus, torch=torch), PLABCTL_GPUS="4") == (1, words)


def test_a_node_without_a_driver_fails(script: Path, tmp_path: Path) -> None:
    assert run(script, tmp_path) == (1, "no GPU: there is no nvidia-smi")


def test_a_gpu_that_somebody_uses_is_left_alone(script: Path, tmp_path: Path) -> None:
    assert run(script, fill(tmp_path, apps="echo 4711", torch={})) == (75, "somebody computes on a GPU here")


@needs_sshd
def test_the_recipe_of_the_page_runs_over_ssh(script: Path, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    fill(tmp_path / "node", torch={"wrong": 1})
    config = script.parent / "plabctl.toml"
    config.write_text(find_block("toml"))
    settings = load(str(config))
    stand_ins = f"PATH={tmp_path}/node:{os.environ['PATH']} PYTHONPATH={tmp_path}/node"
    node = Sshd(tmp_path / "sshd", f'ForceCommand env {stand_ins} sh -c "$SSH_ORIGINAL_COMMAND"')
    try:
        prober = Prober(node.settings(), SystemClock(), None, Origin(str(script.parent)))
        report = prober.probe(make_assignment(settings.recipes["gpu"], gpus="4"))
    finally:
        node.stop()

    assert (report.outcome, report.cause, report.reason) == (Outcome.FAIL, Cause.SETUP, "GPU 1 multiplies wrongly")
