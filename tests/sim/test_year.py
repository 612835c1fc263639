"""A simulated year, to the last test: what the policy does cannot change without somebody saying so."""

from plabctl.sim.conditions import Conditions
from plabctl.sim.policies import build_named
from plabctl.sim.synthetic import FITS, make_world
from tests.sim.worlds import DAY_S, scored

WORLD = make_world(FITS["pl05"], count=10, length_s=365 * DAY_S, seed=2006, spread=1.0)


def counts(name: str, **around: float) -> tuple[int, int, int]:
    score = scored(WORLD, build_named(name), Conditions(**around))  # type: ignore[arg-type]  # floats by name
    moves = score.moves_per_node_day * score.node_days
    return score.probes_count, round(score.failed_tests_per_node_day * score.node_days), round(moves)


def test_a_year_under_each_policy() -> None:
    assert {name: counts(name) for name in ("additive", "age", "adaptive", "2007")} == {
        "additive": (90527, 23168, 1246),
        "age": (117312, 19432, 1304),
        "adaptive": (218894, 21066, 1322),
        "2007": (66534, 4650, 1030),
    }


def test_a_year_in_a_tight_window_with_false_failures() -> None:
    assert counts("additive", window=1, false_ratio=0.01) == (82366, 22971, 1240)
