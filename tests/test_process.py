import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from plabctl.process import CommandResult, run

MARGIN_S = 3.0


def sh(code: str, *, timeout_s: float = 20.0, given: bytes = b"", **variables: str) -> CommandResult:
    return run(
        ["/bin/sh", "-c", code],
        timeout_s=timeout_s,
        keep_bytes=1000,
        flood_bytes=100_000,
        given=given,
        variables=variables,
    )


def is_running(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def test_what_a_command_says_and_its_exit_code_come_back() -> None:
    assert sh('cat; echo "$WORD" >&2; exit 7', given=b"hello", WORD="a b") == CommandResult(7, b"hello", b"a b\n")


def test_no_shell_reads_the_arguments() -> None:
    ran = run(["/bin/echo", "$(id); `id`"], timeout_s=20, keep_bytes=1000, flood_bytes=1000)

    assert ran.output == b"$(id); `id`\n"


@pytest.mark.parametrize("argv", [["/no/such/program"], ["/etc/passwd"], ["/"], ["a\0b"]])
def test_what_cannot_be_run_is_a_fault_and_no_exception(argv: list[str]) -> None:
    ran = run(argv, timeout_s=20, keep_bytes=1000, flood_bytes=1000)

    assert ran.never_ran
    assert ran.fault.startswith("cannot be run: ")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN])
@pytest.mark.parametrize("name", ["os.memfd_create", "subprocess.Popen"])
def test_what_this_machine_is_short_of_now_may_be_there_next_time(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(name, fail)
    ran = run(["/bin/true"], timeout_s=20, keep_bytes=1000, flood_bytes=1000)

    assert not ran.never_ran
    assert ran.fault == f"cannot be run: {os.strerror(number).lower()}"


def test_more_input_than_a_pipe_holds_is_no_trouble_for_a_command_that_does_not_read() -> None:
    assert sh("exit 3", given=b"x" * 1_000_000).exit_code == 3


@pytest.mark.parametrize("code", ["sleep 60", "trap '' TERM; sleep 60 & wait; sleep 60", "exec >&- 2>&-; sleep 60"])
def test_a_command_is_killed_at_its_deadline_with_its_children(tmp_path: Path, code: str) -> None:
    began = time.monotonic()

    ran = sh(f"echo $$ >{tmp_path}/pid; (trap '' TERM; sleep 60) & echo $! >{tmp_path}/child; {code}", timeout_s=0.3)

    assert (ran.exit_code, ran.fault) == (None, "did not end within 0.3 s")
    assert time.monotonic() - began < 0.3 + MARGIN_S
    pids = [int((tmp_path / name).read_text()) for name in ("pid", "child")]
    end = time.monotonic() + MARGIN_S
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(map(is_running, pids))


def test_a_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()

    ran = sh(f"sleep 60 & echo $! >{tmp_path}/child; echo done")

    child = int((tmp_path / "child").read_text())
    assert (ran.exit_code, ran.output) == (0, b"done\n")
    assert time.monotonic() - began < MARGIN_S
    assert is_running(child), "what a command leaves running is its own affair"
    os.kill(child, signal.SIGKILL)


def test_output_is_kept_up_to_a_limit_and_a_flood_ends_the_command() -> None:
    assert len(sh("head -c 50000 /dev/zero").output) == 1000
    began = time.monotonic()

    ran = sh("cat /dev/zero")

    assert ran.fault == "printed more than 100000 bytes"
    assert len(ran.output) == 1000
    assert time.monotonic() - began < MARGIN_S


def test_the_end_of_a_command_is_seen_where_the_kernel_has_no_descriptor_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", fail)

    assert sh("exec >&- 2>&-; sleep 0.1; exit 4").exit_code == 4
    assert sh("exec >&- 2>&-; sleep 60", timeout_s=0.2).fault == "did not end within 0.2 s"


def test_a_command_that_dies_of_a_signal_says_so() -> None:
    assert sh("kill -9 $$").fault == "was ended by signal 9"


def test_nothing_of_ours_leaks_into_the_command_nor_stays_behind() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    before = len(list(Path("/proc/self/fd").iterdir()))

    ran = run(
        [
            sys.executable,
            "-c",
            "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))), os.getsid(0) == os.getpid())",
        ],
        timeout_s=20,
        keep_bytes=1000,
        flood_bytes=1000,
    )

    assert ran.output == b"[0, 1, 2, 3] True\n", "the fourth is the folder being listed"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(reading)
    os.close(writing)


def test_an_interruption_takes_the_command_with_it(tmp_path: Path) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sh(f"echo $$ >{tmp_path}/pid; sleep 60")
    finally:
        signal.signal(signal.SIGUSR1, before)
        timer.join()

    assert not is_running(int((tmp_path / "pid").read_text()))
