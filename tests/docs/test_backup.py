"""The commands for backup and restore of docs/operations.md, run while others change the state."""

import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StateDamaged
from plabctl.store.store import Store
from tests.builders import NOW, make_member, make_node
from tests.docs.pages import DOCS
from tests.lab.sshd import descendants
from tests.lab.wait_until import wait_until
from tests.manual_clock import ManualClock


def find_commands(state_dir: Path, elsewhere: Path) -> list[str]:
    """The commands of the section, in order: the copy, that of the history, and the two that put the copy back."""
    section = (DOCS / "operations.md").read_text().split("## Backup and restore\n")[1].split("\n## ")[0]
    commands = re.findall(r"^    (\S.*)$", section, re.MULTILINE)
    return [command.replace("STATE", str(state_dir)).replace("/elsewhere", str(elsewhere)) for command in commands]


def commit(state_dir: Path, number: int) -> None:
    with Store(state_dir, ManualClock(NOW)).session() as session:
        session.apply(Changes(notes={"count": {"is": number}}))


def count_of(state_dir: Path) -> int:
    return int(str(Store(state_dir, ManualClock(NOW)).snapshot().notes["count"]["is"]))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    state_dir = tmp_path / "state"
    with Store(state_dir, ManualClock(NOW)).session() as session:
        session.apply(Changes(nodes=(make_node("n1"),), members=(make_member("n1"),)))
    commit(state_dir, 0)
    (state_dir / "known_hosts").touch()
    return state_dir


def test_a_copy_taken_among_writers_is_whole_and_can_be_put_back(state_dir: Path, tmp_path: Path) -> None:
    copy, _, *put_back = find_commands(state_dir, tmp_path / "elsewhere")
    done, last = threading.Event(), [0]

    def write() -> None:
        while not done.is_set():
            commit(state_dir, last[0] + 1)
            last[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            before = last[0]
            subprocess.run(copy, shell=True, check=True, timeout=60)
            assert before <= count_of(tmp_path / "elsewhere") <= last[0] + 1
    finally:
        done.set()
        writer.join()
    copied = count_of(tmp_path / "elsewhere")
    commit(state_dir, copied + 1000)

    for command in put_back:
        subprocess.run(command, shell=True, check=True, timeout=60)
    assert count_of(state_dir) == copied
    commit(state_dir, copied + 1)
    assert count_of(state_dir) == copied + 1


def test_a_copy_that_waits_for_a_fold_takes_the_journal_after_it(state_dir: Path, tmp_path: Path) -> None:
    copy, *_ = find_commands(state_dir, tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with Store(state_dir, ManualClock(NOW)).session() as session:
        session.apply(Changes(notes={"count": {"is": 7}, "long": {"is": "so long that it is folded" * 1000}}))
        copying = subprocess.Popen(copy, shell=True)
        assert wait_until(lambda: is_waiting(copying))

    assert copying.wait(60) == 0
    assert count_of(tmp_path / "elsewhere") == 7


def is_waiting(copying: subprocess.Popen[bytes]) -> bool:
    """Return whether flock(1) is there, as `copying` or below."""
    found = [copying.pid, *descendants(copying.pid)]
    return any(Path(f"/proc/{pid}/comm").read_text() == "flock\n" for pid in found)


def test_a_copy_put_back_without_its_journal_is_refused(state_dir: Path, tmp_path: Path) -> None:
    copy, _, remove, _ = find_commands(state_dir, tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    commit(state_dir, 1)
    for command in (copy, remove):
        subprocess.run(command, shell=True, check=True, timeout=60)
    shutil.copy2(tmp_path / "elsewhere" / "state.json", state_dir)

    with pytest.raises(StateDamaged, match="it is gone"):
        count_of(state_dir)
