"""For how long the scheduler has been unreachable is known over all ticks."""

from pathlib import Path

from plabctl.executors.dask.fallback import NAME, Fallback


def test_it_counts_from_the_first_loss_over_all_ticks(tmp_path: Path) -> None:
    Fallback(str(tmp_path), 60).note_lost(1000)
    later = Fallback(str(tmp_path), 60)
    later.note_lost(1050)

    assert not later.is_due(1059)
    assert later.is_due(1060)
    later.note_found()
    assert not later.is_due(2000)


def test_it_is_off_by_default(tmp_path: Path) -> None:
    fallback = Fallback(str(tmp_path), 0)
    fallback.note_lost(1000)

    assert not fallback.is_due(1e9)
    assert not (tmp_path / NAME).exists()
