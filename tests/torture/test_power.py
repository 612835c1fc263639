"""After a power cut at any call the state is there, with all that was acknowledged; and a mistake would be seen."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from plabctl.files import atomic
from plabctl.store import commit, head, storage
from tests.torture import power
from tests.torture.options import TortureOptions

FOUND = [
    ("no state: append, EIO at call 8; append", "a first commit that failed left a journal, and so a lost state"),
    ("a journal: append, EIO at call 5; append", "taken back, but not for good"),
    ("a journal: append, killed at call 5; append", "parts of two records were taken for damage"),
    ("a journal: fold, killed at call 20; append", "the old state file came back, whose journal does not go on"),
    ("a journal: append, killed at call 5; look", "spoken of by a command that changed nothing, and lost"),
    ("a state file that is lost: restore, ENOSPC at call 7; restore", "it removed what the next try needs"),
    ("a journal: append, EIO for good at call 5; append by the same process", "told as refused, and it stayed"),
]
"""Cases that once broke a promise, and how."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory."""
    with power.in_memory(tmp_path) as folder:
        yield folder


def play(place: Path, name: str) -> list[str]:
    cases = {str(case): case for case in power.list_cases(place / "begin")}
    return power.Play(cases[name], place / "case", Random(1), Counter()).run()


@pytest.mark.parametrize(("case", "why"), FOUND, ids=[case for case, _ in FOUND])
def test_what_once_went_wrong(place: Path, case: str, why: str) -> None:
    assert play(place, case) == [], why


def test_some_power_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_SHORT_CASES", 5)

    findings = power.run(TortureOptions(tmp_path, seed=11, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
    assert int(findings[3].figure) >= 150, "so many directories were looked at"


def never(*_: object, **__: object) -> None:
    """Do nothing."""


def an_append_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    def careless(path: str, offset: int, data: bytes, *, dir_fd: int, **_: bool) -> None:
        fd = os.open(path, os.O_WRONLY, dir_fd=dir_fd)
        os.lseek(fd, offset, os.SEEK_SET)
        atomic.write_all(fd, data)
        os.close(fd)

    patch.setattr(commit, "append_at", careless)


def names_are_never_durable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(commit, "sync_dir", never)


def others_are_believed_to_have_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(storage.StagedStorage, "confirm", never)


def a_journal_without_a_commit_is_a_lost_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(head, "has_commit", lambda _: True)


def a_failed_append_is_left_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atomic, "_take_back", never)


@pytest.mark.parametrize(
    ("mistake", "case"),
    [
        (an_append_is_not_synced, "a journal: append"),
        (names_are_never_durable, "a journal: fold, killed at call 19; append"),
        (others_are_believed_to_have_synced, "a journal: append, killed at call 4; append"),
        (others_are_believed_to_have_synced, "a journal: append, killed at call 4; look"),
        (a_journal_without_a_commit_is_a_lost_state, "no state: append, EIO at call 8; append"),
        (a_failed_append_is_left_there, "a journal: append, EIO at call 5; append"),
    ],
)
def test_a_mistake_in_the_product_is_seen(
    place: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None], case: str
) -> None:
    cases = {str(each): each for each in power.list_cases(place / "begin")}
    mistake(monkeypatch)

    assert power.Play(cases[case], place / "case", Random(1), Counter()).run()
