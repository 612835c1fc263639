"""The window holds over all processes, whatever becomes of them."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import pytest

from plabctl.errors import StoreError
from plabctl.store import slots as slots_module
from plabctl.store.slots import Slots
from tests.lab.wait_until import wait_until
from tests.store.failing_calls import descriptors

WORKER = """
import os, random, sys, time
from plabctl.store.slots import Slots
state_dir, window, log, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
dice = random.Random(seed)
out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
slots = Slots(state_dir, window)
print("ready", flush=True)
while True:
    # Written after taking and before releasing: the log never shows more holders than there are.
    for slot in slots.take(dice.randint(1, 4)):
        os.write(out, b"+\\n")
    time.sleep(dice.random() * 0.004)
    for slot in list(slots.held):
        if dice.random() < 0.5:
            os.write(out, b"-\\n")
            slots.release(slot)
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_slots_are_taken_up_to_the_limit_and_the_window(state_dir: Path) -> None:
    slots = Slots(state_dir, 5)

    assert (slots.take(2), slots.take(9), slots.take(1), slots.take(0)) == ([1, 2], [3, 4, 5], [], [])
    assert slots.held == {1, 2, 3, 4, 5}


def test_two_holders_share_one_window(state_dir: Path) -> None:
    one, two = Slots(state_dir, 4), Slots(state_dir, 4)

    assert (one.take(3), two.count_free(), two.take(3), one.take(1)) == ([1, 2, 3], 1, [4], [])
    one.release(2)
    assert (one.count_free(), two.count_free()) == (1, 1)
    assert two.take(3) == [2]


def test_a_slot_is_free_when_its_holder_let_go(state_dir: Path) -> None:
    mine, others = Slots(state_dir, 2), Slots(state_dir, 2)
    mine.take(1)

    assert (mine.is_free(1), others.is_free(1), others.is_free(2)) == (False, False, True)
    mine.close()
    assert (mine.is_free(1), others.is_free(1), mine.held) == (True, True, frozenset())


def test_looking_at_a_slot_does_not_hold_it(state_dir: Path) -> None:
    looking, taking = Slots(state_dir, 1), Slots(state_dir, 1)
    taking.take(1)
    taking.close()

    assert looking.is_free(1)
    assert taking.take(1) == [1]


def test_a_lowered_window_counts_the_holders_above_it(state_dir: Path) -> None:
    wide = Slots(state_dir, 6)
    wide.take(6)
    for slot in (1, 2, 3):
        wide.release(slot)
    narrow = Slots(state_dir, 4)

    assert narrow.take(9) == [1]
    wide.release(5)
    assert narrow.take(9) == [2]
    assert narrow.is_free(6) is False


def test_a_killed_holder_gives_its_slots_back_at_once(state_dir: Path) -> None:
    program = (
        "from plabctl.store.slots import Slots\n"
        f"s = Slots({str(state_dir)!r}, 3); s.take(3); print(1, flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        slots = Slots(state_dir, 3)
        assert slots.take(3) == []
        holder.kill()

    assert slots.take(3) == [1, 2, 3]


def test_a_child_program_does_not_keep_a_slot(state_dir: Path) -> None:
    slots = Slots(state_dir, 1)
    slots.take(1)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        slots.close()
        try:
            assert Slots(state_dir, 1).take(1) == [1]
        finally:
            child.kill()


def test_a_planted_link_is_not_followed(state_dir: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state_dir / "slots").mkdir(mode=0o700, parents=True)
    state_dir.chmod(0o700)
    (state_dir / "slots" / "0001").symlink_to(victim)

    with pytest.raises(StoreError, match="slots"):
        Slots(state_dir, 2).take(2)
    assert victim.read_text() == "precious"


def test_asked_for_none_it_touches_nothing(state_dir: Path) -> None:
    assert Slots(state_dir, 2).take(0) == []
    assert not state_dir.exists()


def test_the_state_directory_that_it_makes_is_ours_alone(state_dir: Path) -> None:
    Slots(state_dir, 1).take(1)

    assert [path.stat().st_mode & 0o777 for path in (state_dir, state_dir / "slots")] == [0o700, 0o700]


def test_where_others_may_write_no_slot_is_taken_and_nothing_made(state_dir: Path) -> None:
    state_dir.mkdir()
    state_dir.chmod(0o777)

    with pytest.raises(StoreError, match=str(state_dir)):
        Slots(state_dir, 3).take(1)
    assert not list(state_dir.iterdir())


def test_a_slot_that_somebody_looks_at_is_not_taken_nor_one_above_the_window(state_dir: Path) -> None:
    slots = Slots(state_dir, 1)
    slots.release(slots.take(1)[0])

    before = descriptors()
    with (state_dir / "slots" / "0001").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        assert slots.take(1) == []
    assert descriptors() == before
    assert slots.take(1) == [1]


@contextmanager
def the_turn_of_another(state_dir: Path) -> Iterator[int]:
    """The right to take slots, kept by somebody else."""
    slots = Slots(state_dir, 1)
    slots.take(1)
    slots.close()
    turn = os.open(state_dir / "slots", os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    try:
        yield turn
    finally:
        os.close(turn)


def test_while_another_process_keeps_the_turn_none_is_taken(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "_TURN_WAIT_S", 0.05)
    slots = Slots(state_dir, 2)

    with the_turn_of_another(state_dir):
        assert slots.take(2) == []
    assert slots.take(2) == [1, 2]


def test_a_turn_that_another_process_ends_soon_is_waited_for(state_dir: Path) -> None:
    with the_turn_of_another(state_dir) as turn:
        ending = threading.Timer(0.3, fcntl.flock, (turn, fcntl.LOCK_UN))
        ending.start()
        assert Slots(state_dir, 2).take(2) == [1, 2]
        ending.join()


def test_slots_that_are_closed_or_not_to_be_had_leave_no_descriptor_open(state_dir: Path) -> None:
    others = Slots(state_dir, 3)
    others.take(2)
    before = descriptors()

    slots = Slots(state_dir, 3)
    assert slots.take(3) == [3]
    assert slots.take(3) == []
    assert descriptors() == before + 2, "the directory and one slot"
    slots.close()
    slots.close()

    assert descriptors() == before


def test_a_kernel_that_has_no_locks_is_told_and_leaves_no_descriptor_open(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(state_dir, 2)
    slots.take(1)
    before = descriptors()
    lock = fcntl.flock

    def refuse_files(fd: int, how: int) -> None:
        if Path(f"/proc/self/fd/{fd}").is_file():
            raise OSError(errno.ENOLCK, "No locks available")
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", refuse_files)

    with pytest.raises(StoreError, match="no locks available"):
        slots.take(1)

    assert descriptors() == before


def test_slots_that_are_a_link_are_refused(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    state_dir.mkdir(mode=0o700)
    (state_dir / "slots").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="symbolic link"):
        Slots(state_dir, 2).take(1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_short_of_descriptors_it_takes_what_it_can_and_leaves_some_for_the_commit(state_dir: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from plabctl.store.slots import Slots\n"
        "from tests.store.failing_calls import commit; import plabctl.store.session\n"
        "state_dir = Path(sys.argv[1]); s = Slots(state_dir, 99); s.take(1)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "taken = s.take(98); assert s.held == {1, *taken}; print(len(taken)); commit(state_dir)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, state_dir], capture_output=True, text=True, check=True, cwd=root
    )

    assert 16 <= int(done.stdout) <= 32


def test_a_full_disk_is_told_in_one_line(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(state_dir, 2)
    slots.take(1)

    def full(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreError, match="no space left") as caught:
        slots.take(1)
    assert "\n" not in str(caught.value)
    assert "free some space" in caught.value.hint


def test_many_processes_and_random_kills_never_hold_more_than_the_window(state_dir: Path, tmp_path: Path) -> None:
    """The kernel's own list of locks is the judge: it knows nothing of our counting."""
    window, narrow = 6, 4
    log = tmp_path / "log"
    workers = [start(state_dir, window, log, seed) for seed in range(5)]
    highest, kills = 0, 0
    try:
        began = time.monotonic()
        # On a busy machine a worker may take seconds to begin.
        while (past_s := time.monotonic() - began) < 5 or (past_s < 60 and (kills < 5 or highest < window)):
            highest = max(highest, locks_held(state_dir))
            if kills < 12 and past_s > kills * 0.35:
                victim = workers.pop(0)
                victim.send_signal(signal.SIGKILL)
                victim.communicate()
                workers.append(start(state_dir, window, log, 100 + kills))
                kills += 1
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()

    assert highest == window, "the window was reached and never exceeded"
    assert kills >= 5
    assert Slots(state_dir, narrow).take(99) == [1, 2, 3, 4]


def test_a_lowered_window_holds_however_many_take_at_once(state_dir: Path, tmp_path: Path) -> None:
    """Slots above a lowered window are held by others: then the numbers of the slots alone do not keep the window."""
    log = tmp_path / "log"
    wide = Slots(state_dir, 8)
    wide.take(8)
    for slot in (1, 2, 3, 4, 5):
        wide.release(slot)
    workers = [start(state_dir, 5, log, seed) for seed in range(5)]
    time.sleep(3)
    wait_until(lambda: len(holders := count_holders(log)) > 100 and max(holders) + len(wide.held) >= 5)
    holders = count_holders(log)  # now: a worker that is killed writes nothing about the slots it gives back
    for worker in workers:
        worker.kill()
        worker.communicate()

    assert len(holders) > 100
    assert max(holders) + len(wide.held) == 5, "the window was reached and never exceeded"


def count_holders(log: Path) -> list[int]:
    return list(accumulate(1 if line == "+" else -1 for line in log.read_text().split()))


def start(state_dir: Path, window: int, log: Path, seed: int) -> "subprocess.Popen[bytes]":
    args = [sys.executable, "-c", WORKER, str(state_dir), str(window), str(log), str(seed)]
    process = subprocess.Popen(args, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


def locks_held(state_dir: Path) -> int:
    """Exclusive locks on slot files, as the kernel lists them."""
    inodes = {path.stat().st_ino for path in (state_dir / "slots").glob("[0-9]*")}
    held = set()
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[3] == "WRITE":
            held.add(int(words[5].split(":")[2]))
    return len(held & inodes)


def test_a_slot_with_a_name_elsewhere_is_not_taken(state_dir: Path, tmp_path: Path) -> None:
    slots = Slots(state_dir, 1)
    slots.release(slots.take(1)[0])
    slots.close()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    (state_dir / "slots" / "0001").unlink()
    (state_dir / "slots" / "0001").hardlink_to(victim)

    with pytest.raises(StoreError, match="another name as well"):
        Slots(state_dir, 1).take(1)

    assert victim.stat().st_mode & 0o777 == 0o644
