"""A tick ends although its sinks hang: what they are being told goes on in a process that outlives it.

Real ticks, started as cron starts them, with a hook that waits until a file `go` is there.
"""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from plabctl.app.background import PATIENCE_S, Background
from plabctl.app.context import open_app
from plabctl.app.systemd_unit import ends_all_processes
from tests.cli.console import CONFIG, Desk
from tests.cli.recording_server import RecordingServer, record_requests
from tests.lab.receivers import open_silent_port
from tests.lab.wait_until import wait_until

HANG_S = 40
"""The time-out of sinks that hang: a tick that waited for one would take as long."""
SOON_S = 15.0
"""A tick that takes no longer has waited for none of them, however busy this machine is."""


def find_ticks(desk: Desk) -> list[int]:
    """Return the processes of ticks of this desk."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"tick" in words and os.fsencode(desk.config) in words:
                found.append(int(path.parent.name))
    return found


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with record_requests() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    (tmp_path / "go").touch()
    for pid in find_ticks(desk):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def hook(desk: Desk, name: str, *, before: str, more: str = "") -> str:
    command = ["/bin/sh", "-c", f"{before}; cat >>{desk.folder}/{name}.log"]
    return (
        f'\n[[sink]]\nkind = "command"\non = ["node-added", "transition"]\ncommand = {json.dumps(command)}\n'
        f'timeout = "{HANG_S}s"\n{more}'
    )


def until_go(desk: Desk) -> str:
    return f"until test -e {desk.folder}/go; do sleep 0.05; done"


def tick(desk: Desk) -> tuple[int, str]:
    """Run a tick as cron does, and wait as it does: until the process has ended and nobody has its pipes open."""
    with desk.running("tick", "-c", str(desk.config)) as process:
        said = "".join(process.communicate(timeout=SOON_S))
    return process.returncode, said


def read_log(desk: Desk, name: str) -> list[str]:
    path = desk.folder / f"{name}.log"
    lines = path.read_text().splitlines() if path.exists() else []
    told = [json.loads(line) for line in lines]
    events = [event for each in told for event in (each if isinstance(each, list) else [each])]
    return [f"{event['kind']} {event['node']}" for event in events]


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Lock a file, as a process does that is stuck in a file system."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_slurm(desk: Desk) -> str:
    programs = desk.folder / "programs"
    programs.mkdir()
    for name in ("sinfo", "scontrol"):
        program = programs / name
        program.write_text(f"#!/bin/sh\ntouch {desk.folder}/slurm.began\n{until_go(desk)}\n")
        program.chmod(stat.S_IRWXU)
    return f'\n[[sink]]\nkind = "slurm"\nbin_dir = "{programs}"\ntimeout = "{HANG_S}s"\n'


def test_a_tick_ends_although_six_sinks_of_all_kinds_hang_and_all_is_told_in_the_end(
    desk: Desk, server: RecordingServer
) -> None:
    texts = desk.folder / "texts"
    texts.mkdir()
    textfile = f'\n[[sink]]\nkind = "textfile"\npath = "{texts}/plabctl.prom"\n'
    desk.config.write_text(CONFIG + textfile)
    assert tick(desk) == (0, "")
    [lock] = (desk.folder / "state").glob("sink-*.lock")
    (texts / "plabctl.prom").unlink()
    desk.ok("node", "add", "pc1", "pc2")
    server.may_answer.clear()
    with open_silent_port() as port, hold(lock):
        mail = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org"
        desk.config.write_text(
            CONFIG
            + hook(desk, "one", before=until_go(desk))
            + hook(desk, "all", before=until_go(desk), more="batch = true\n")
            + f'\n[[sink]]\nkind = "ping"\nurl = "{server.url}/x"\n'
            + f'\n[[sink]]\nkind = "apprise"\nurl = "{mail}"\ntimeout = "4s"\n'
            + make_slurm(desk)
            + textfile
        )
        assert tick(desk) == (0, "")

        assert desk.ok("status", "-p", "good", "-o", "name") == "pc1\npc2\n"
        assert (read_log(desk, "one"), read_log(desk, "all")) == ([], []), "they hang"
        assert (desk.folder / "slurm.began").exists()
        assert len(find_ticks(desk)) == 1, "one process goes on"
        assert [path.read_text().strip() for path in (desk.folder / "state" / "ticks").glob("[0-9]*")] == [""], (
            "no tick runs"
        )
        desk.ok("hold", "pc1", "--reason", "to see that nothing is locked")
        assert tick(desk) == (0, "")
        server.may_answer.set()

    (desk.folder / "go").touch()
    assert wait_until(lambda: not find_ticks(desk))
    wanted = ["node-added pc1", "node-added pc2", "transition pc1", "transition pc2"]
    assert sorted(read_log(desk, "one")) == wanted, "each once"
    assert read_log(desk, "one") == read_log(desk, "all")
    assert read_log(desk, "one")[:2] == wanted[:2], "in order"
    assert (texts / "plabctl.prom").exists()
    begun = [path.partition("?")[2] for path in server.asked if path.startswith("/x/start")]
    ended = [path.partition("?")[2] for path in server.asked if path.startswith("/x/0")]
    assert sorted(begun) == sorted(ended)
    assert len(set(begun)) == 2
    said = tick(desk)[1]
    assert "hook" not in said


NODES = [f"pc{number}" for number in range(1, 5)]
ADDED = [f"node-added {name}" for name in NODES]


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """A desk with a hook that waits for `go`, and four events for it."""
    hung = f"touch {desk.folder}/began; {until_go(desk)}"
    desk.config.write_text(CONFIG + hook(desk, "one", before=hung).replace(', "transition"', ""))
    desk.ok("node", "add", *NODES)
    return desk


def find_background(desk: Desk) -> int:
    """Return the one process that outlives the ticks."""
    [pid] = find_ticks(desk)
    return pid


def test_whoever_is_killed_and_whenever_nothing_is_lost_and_the_order_stays(waiting: Desk) -> None:
    desk, began = waiting, waiting.folder / "began"
    with desk.running("tick", "-c", str(desk.config)) as process:
        assert wait_until(began.exists)
        process.kill()
        process.communicate()
    assert wait_until(lambda: not find_ticks(desk)), "who kills the process that cron started kills the tick"
    began.unlink()
    assert tick(desk) == (0, "")
    assert wait_until(began.exists)
    os.kill(find_background(desk), signal.SIGKILL)
    assert wait_until(lambda: not find_ticks(desk))
    (desk.folder / "go").touch()

    assert tick(desk) == (0, "")
    assert wait_until(lambda: not find_ticks(desk))

    told = read_log(desk, "one")
    assert list(dict.fromkeys(told)) == ADDED, "in order"
    assert len(told) <= len(ADDED) + 2, "what was under way when a process was killed is told again, and no more"


def test_a_tick_that_the_kernel_kills_ends_as_if_it_had_been_one_process(waiting: Desk) -> None:
    """As when memory is short: the process that works is the larger one."""
    with waiting.running("tick", "-c", str(waiting.config)) as process:
        assert wait_until(lambda: len(find_ticks(waiting)) > 1)
        for pid in set(find_ticks(waiting)) - {process.pid}:
            os.kill(pid, signal.SIGKILL)
        said = process.communicate(timeout=SOON_S)

    assert (process.returncode, said) == (-signal.SIGKILL, ("", ""))


def test_the_lock_of_a_caller_is_let_go_when_the_tick_ends(waiting: Desk) -> None:
    """As `flock FILE plabctl tick` has it in a crontab: the next tick is not to be left out."""
    lock = waiting.folder / "lock"
    command = ["flock", "-n", str(lock), *waiting.command("tick", "-c", str(waiting.config))]
    done = subprocess.run(
        command, cwd=waiting.folder, env=waiting.environ, capture_output=True, check=False, timeout=SOON_S
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert find_background(waiting)
    assert subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("pid", "parent", "unit", "may_outlive"),
    [(1, 0, "", False), (7, 1, "", False), (7, 1, "4f", True), (8, 7, "", True)],
    ids=["is first", "under a small init", "under systemd", "under cron"],
)
def test_the_first_process_of_a_container_and_its_child_wait(
    waiting: Desk, monkeypatch: pytest.MonkeyPatch, pid: int, parent: int, unit: str, may_outlive: bool
) -> None:
    monkeypatch.setattr("os.getpid", lambda: pid)
    monkeypatch.setattr("os.getppid", lambda: parent)
    monkeypatch.setattr("os.fork", lambda: None)
    monkeypatch.setattr("plabctl.app.background._die_with", lambda _front: None)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # other tests may have left some
    monkeypatch.setenv("INVOCATION_ID", unit) if unit else monkeypatch.delenv("INVOCATION_ID", raising=False)

    background = Background(may_outlive=True)
    background.prepare(open_app(str(waiting.config)))

    if background._word is not None:
        os.close(background._word)
    assert (background.patience_s == PATIENCE_S) == may_outlive


def test_a_tick_that_is_told_to_stop_leaves_nothing_behind(waiting: Desk) -> None:
    with waiting.running("tick", "-c", str(waiting.config)) as process:
        assert wait_until((waiting.folder / "began").exists)
        process.terminate()
        process.communicate(timeout=SOON_S)
    # The signal may have come when the tick was over.
    assert process.returncode in {0, 143}
    for pid in find_ticks(waiting):
        os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: not find_ticks(waiting), within_s=5.0)


def test_a_process_whose_state_directory_was_moved_ends_and_makes_no_other(waiting: Desk) -> None:
    assert tick(waiting) == (0, "")
    assert find_background(waiting)
    (waiting.folder / "state").rename(waiting.folder / "moved")

    (waiting.folder / "go").touch()

    assert wait_until(lambda: not find_ticks(waiting))
    assert not (waiting.folder / "state").exists()


def test_where_the_end_of_the_tick_would_end_all_it_waits(waiting: Desk) -> None:
    """As systemd does with the other processes of a unit; for the first process of a container it is the same."""
    code = (
        "import sys; from plabctl.app import background; background._find_rule = lambda: lambda: True\n"
        "from plabctl.cli.entry import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "tick", "-c", str(waiting.config)]
    with subprocess.Popen(command, cwd=waiting.folder, env=waiting.environ, stdin=subprocess.DEVNULL) as process:
        assert wait_until((waiting.folder / "began").exists)
        time.sleep(PATIENCE_S + 0.5)
        assert process.poll() is None
        (waiting.folder / "go").touch()
        assert process.wait(SOON_S) == 0

    assert read_log(waiting, "one") == ADDED


def test_without_a_second_process_the_tick_waits(waiting: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise BlockingIOError

    monkeypatch.setattr("os.fork", fail)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # other tests may have left some
    background = Background(may_outlive=True)
    background.prepare(open_app(str(waiting.config)))

    assert background.patience_s == float("inf")
    assert background.end(3) == 3


@pytest.mark.parametrize(
    ("group", "answer", "is_ended"),
    [
        ("0::/system.slice/plabctl@3.service", "echo $*", True),
        ("0::/system.slice/plabctl@3.service", "echo process", False),
        ("0::/system.slice/plabctl@3.service", "echo none", False),
        ("0::/system.slice/plabctl@3.service", "echo control-group", True),
        ("0::/system.slice/plabctl@3.service", "exit 1", True),
        ("1:name=systemd:/system.slice/plabctl@3.service", "echo process", False),
        ("0::/user.slice/user-7.slice/user@7.service/app.slice/t.service", "[ $1 = --user ] && echo process", False),
        ("0::/user.slice/user-7.slice/session-2.scope", "echo control-group", False),
        ("", "echo control-group", False),
    ],
)
def test_systemd_is_asked_whether_it_ends_what_is_left_of_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, answer: str, is_ended: bool
) -> None:
    program, groups = tmp_path / "systemctl", tmp_path / "cgroup"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(stat.S_IRWXU)
    groups.write_text(f"9:cpu:/\n{group}\n" if group else "")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert ends_all_processes(str(groups)) == is_ended
