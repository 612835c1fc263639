"""The weave of writers, readers and folds, short; and that it sees what it is there to see."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plabctl.files import atomic
from plabctl.store import current, storage
from tests.torture import folds
from tests.torture.finding import draw
from tests.torture.options import TortureOptions
from tests.torture.power import in_memory

EPISODES = 12


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with in_memory(tmp_path) as folder:
        yield folder


def test_writers_readers_and_folds_break_no_promise(tmp_path: Path) -> None:
    findings = folds.run(TortureOptions(tmp_path, seed=1704, whole=False))

    assert all(finding.holds for finding in findings), draw(findings)


def test_an_episode_is_the_same_when_it_is_played_again(folder: Path) -> None:
    once, again = Counter[str](), Counter[str]()
    for counts in (once, again):
        assert folds.play_one(folder, 3, 1, counts) == []

    assert once == again
    assert min(once[each] for each in ("acknowledged", "folds", "looks", "killed", "cuts")) > 0


def never(*_: object, **__: object) -> None:
    """Do nothing."""


def nothing_of_others_is_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(storage.StagedStorage, "confirm", never)


def a_failed_append_is_left_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atomic, "_take_back", never)


def readers_try_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(current, "_TRIES", 1)


@pytest.mark.parametrize(
    "mistake",
    [
        nothing_of_others_is_synced,
        a_failed_append_is_left_there,
        readers_try_once,
    ],
)
def test_a_mistake_in_the_product_is_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mistake(monkeypatch)

    assert any(folds.play_one(folder, 5, number, Counter()) for number in range(EPISODES))
