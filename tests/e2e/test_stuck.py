"""When plabctl cannot do its work although cron goes on, `check`, `doctor` and `status` say so, and what to do."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site
from tests.lab.fork_server import Process
from tests.lab.wait_until import wait_until

_SLOW = """
[recipe.slow]
transport = "local"
setup = { run = "touch FOLDER/began.{node}; while [ -e FOLDER/slow ]; do sleep 0.2; done", timeout = "10m" }
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation with a window of two and three nodes whose tests last as long as the file `slow` is there."""
    with Site(tmp_path / "site") as made:
        made.configure(key=tmp_path / "none", window=2, recipe="slow", more=_SLOW.replace("FOLDER", str(made.folder)))
        made.add({f"n{number}": {"rack": str(number)} for number in (1, 2, 3)})
        (made.folder / "slow").touch()
        yield made
        (made.folder / "slow").unlink(missing_ok=True)  # which ends what killed ticks have left


def a_busy_tick(site: Site) -> Process:
    """Return a tick that has filled the window."""
    tick = site.start("tick")
    assert wait_until(lambda: len(list(site.folder.glob("began.*"))) == 2)
    assert wait_until(lambda: site.status()["window"]["in_use"] == 2)
    return tick


def problems(site: Site) -> list[dict[str, Any]]:
    return site.status().get("problems", [])  # type: ignore[no-any-return]  # it is JSON


def test_a_stopped_tick_that_holds_the_window_is_named_with_what_to_do(site: Site) -> None:
    tick = a_busy_tick(site)
    assert problems(site) == []
    os.kill(tick.pid, signal.SIGSTOP)
    later = site.start("tick")  # which waits for a slot, as those of cron do

    said = f"process {tick.pid} is stopped and holds 2 of 2 slots"
    assert wait_until(lambda: bool(problems(site)))
    (problem,) = problems(site)
    assert (problem["kind"], problem["pid"], problem["slot_count"]) == ("slots", tick.pid, 2)
    assert problem["since_at"] <= site.status()["generated_at"]
    line = site.run("check", code=2)
    assert line.startswith(f"PLABCTL CRITICAL - {said}, its last test there began ")
    assert line.count("\n") == 1
    assert f"FAIL  work: {said}" in (found := site.run("doctor", code=1))
    assert f"kill -CONT {tick.pid} resumes it" in found
    assert site.run("status", "-o", "table").startswith(f"! {said}")

    os.kill(tick.pid, signal.SIGCONT)
    assert wait_until(lambda: not problems(site))
    said = "PLABCTL WARNING - no node is usable yet: 3 of 3 nodes wait for their first tests"
    assert site.run("check", code=1).startswith(said)
    later.kill()


def test_slots_of_a_tick_that_was_killed_are_not_in_use(site: Site) -> None:
    tick = a_busy_tick(site)
    assert [node["testing"] for node in site.status()["nodes"].values()].count(True) >= 2, "one more may wait in hand"
    tick.kill()
    tick.wait()

    status = site.status()
    assert status["window"]["in_use"] == 0
    assert not any(node["testing"] for node in status["nodes"].values())
    assert "in_use=0;" in site.run("check", code=1)
    assert [line.split("\t")[4] for line in site.run("status", "-o", "tsv").splitlines()] == ["false"] * 3


_ELSEWHERE = {
    "another container": ("unshare", "--pid", "--fork", "--mount-proc"),
    "without /proc": ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes namespaces")
@pytest.mark.parametrize("prefix", _ELSEWHERE.values(), ids=_ELSEWHERE)
def test_slots_are_counted_where_their_holder_cannot_be_seen(site: Site, prefix: tuple[str, ...]) -> None:
    a_busy_tick(site)
    done = subprocess.run(
        [*prefix, *site.argv("status", "-o", "json")],
        cwd=site.folder, env=site.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert json.loads(done.stdout)["window"]["in_use"] == 2


def test_a_stopped_process_that_keeps_the_state_locked_is_named(site: Site) -> None:
    program = (
        "import sys; from plabctl.clock import SystemClock; from plabctl.store.store import Store\n"
        "with Store(sys.argv[1], SystemClock()).session():\n    print(1, flush=True); input()"
    )
    site.run("tick", "--dry-run")
    assert site.run("check", code=2).startswith("PLABCTL CRITICAL - there has been no tick yet")
    argv = [sys.executable, "-c", program, str(site.folder / "state")]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            (site.folder / "state" / "last_tick").touch(mode=0o600)
            assert problems(site) == []
            os.kill(holder.pid, signal.SIGSTOP)
            assert wait_until(lambda: bool(problems(site)))

            line = site.run("check", code=2)
            assert f"process {holder.pid} is stopped and holds the lock of the state" in line
            assert f"kill -CONT {holder.pid}" in site.run("doctor", code=1)
        finally:
            holder.kill()
    assert problems(site) == []


def test_ticks_that_begin_and_do_not_end_are_told_until_one_ends(site: Site) -> None:
    for _ in range(3):
        assert problems(site) == [], "what happened once or twice may be chance"
        for began in site.folder.glob("began.*"):
            began.unlink()
        tick = a_busy_tick(site)
        tick.kill()
        tick.wait()

    (problem,) = problems(site)
    assert problem["kind"] == "ticks"
    assert "ticks begin and do not end: 3 in a row" in site.run("check", code=2)
    assert "137" in site.run("doctor", code=1)

    (site.folder / "slow").unlink()
    assert site.run("tick") == ""
    assert problems(site) == []
    assert site.run("check").startswith("PLABCTL OK")


def _memory_groups() -> Path | None:
    """Return a folder where control groups with a limit on memory can be made; None when there is none."""
    for folder in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")):
        try:
            limits = {"memory.max", "memory.limit_in_bytes"}
            made = folder / f"plabctl-{os.getpid()}"
            made.mkdir()
            try:
                if limits & {path.name for path in made.iterdir()}:
                    return folder
            finally:
                made.rmdir()
        except OSError:
            continue
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a control group")
def test_ticks_that_the_memory_limit_kills_are_told(site: Site) -> None:
    folder = _memory_groups()
    if folder is None:
        pytest.skip("no control group with a limit on memory can be made here")
    group = folder / f"plabctl-stuck-{os.getpid()}"
    group.mkdir()
    try:
        limit = "memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes"
        (group / limit).write_text(str(600 * 1024**2))
        program = f'echo $$ >{group}/cgroup.procs && exec "$0" -c "$1" "$2"'
        # It does what a tick does, up to where it needs more than it may have.
        hungry = (
            "import sys; from plabctl.app import tick\n"
            "tick.run_tick = lambda *_, **__: bytes(range(256)) * (4 * 1024**3 // 256)\n"
            "from plabctl.cli.entry import main; sys.exit(main(['tick', '--config', sys.argv[1]]))"
        )
        codes = [
            subprocess.run(
                ["sh", "-c", program, sys.executable, hungry, str(site.config)],
                cwd=ROOT, env=site.environ, capture_output=True, timeout=60, check=False,
            ).returncode
            for _ in range(3)
        ]  # fmt: skip
    finally:
        group.rmdir()

    assert codes == [-signal.SIGKILL] * 3
    assert "ticks begin and do not end: 3 in a row" in site.run("check", code=2)
