import pytest

from plabctl.sim.paths import Paths
from plabctl.sim.sites import number_sites
from tests.sim import worlds
from tests.sim.worlds import DAY_S

LENGTH_S = 100 * DAY_S


@pytest.fixture
def paths() -> Paths:
    lives = number_sites(worlds.make_world(*[""] * 4, days=100), 2).lives
    return Paths(lives, 2.0, 2, LENGTH_S, 1)


def cuts(paths: Paths, number: int, vantage: int) -> list[float]:
    edges = [paths.find_next(number, vantage, 0.0)]
    while edges[-1] < LENGTH_S:
        edges.append(paths.find_next(number, vantage, edges[-1]))
    return edges


def test_a_site_is_cut_off_as_a_whole_and_each_vantage_on_its_own(paths: Paths) -> None:
    assert cuts(paths, 0, 0) == cuts(paths, 1, 0)
    assert len({tuple(cuts(paths, number, vantage)) for number in (0, 2) for vantage in (0, 1)}) == 4


def test_a_way_is_cut_as_often_as_asked_for(paths: Paths) -> None:
    assert len(cuts(paths, 0, 0)) / 2 == pytest.approx(200, rel=0.2)


def test_a_test_meets_a_cut_that_is_there_or_comes_within_it(paths: Paths) -> None:
    start, end = cuts(paths, 0, 0)[:2]

    assert end - start >= 30
    assert not paths.is_cut(0, 0, start - 1)
    assert paths.is_cut(0, 0, start)
    assert not paths.is_cut(0, 0, end)
    assert [paths.is_cut_within(0, 0, start - 60, seconds) for seconds in (60, 61)] == [False, True]
