import pytest

from plabctl.errors import UsageFault
from plabctl.sim.logins import draw_silences
from plabctl.sim.sites import add_outages, list_by_site, name_sites, number_sites
from plabctl.sim.synthetic import FITS, make_world
from plabctl.sim.world import World, build_life
from tests.sim import worlds
from tests.sim.worlds import DAY_S


def named(*names: str) -> World:
    return World(tuple(build_life(name, [(0.0, True)], DAY_S) for name in names), DAY_S)


@pytest.mark.parametrize(
    ("pattern", "sites"),
    [
        (r"-(\w+)$", ["ams", "ams", "ber", ""]),
        (r"\w+$", ["ams", "ams", "ber", "lone"]),
        (r"^n(2)|x", ["", "2", "", ""]),
    ],
)
def test_a_site_is_what_the_first_group_matches_or_all_of_it(pattern: str, sites: list[str]) -> None:
    world = name_sites(named("n1-ams", "n2-ams", "n1-ber", "lone"), pattern)

    assert [life.site for life in world.lives] == sites


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("(", "'(' is not a regular expression"), ("(x)", "matches no name of a node, such as 'n1-ams'")],
)
def test_a_pattern_that_finds_no_site_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(UsageFault) as caught:
        name_sites(named("n1-ams"), pattern)
    assert told in str(caught.value)


def test_nodes_in_a_row_are_a_site_and_nodes_without_one_are_in_none() -> None:
    world = number_sites(named("a", "b", "c"), 2)

    assert list_by_site(world.lives) == {"site0": [0, 1], "site1": [2]}
    assert list_by_site(named("a").lives) == {}


def test_outages_take_all_nodes_of_a_site_down_at_once_and_silence_them() -> None:
    world = add_outages(number_sites(worlds.make_world(*["20 21"] * 6, days=60), 3), 0.9, 1)
    starts = [{start for start, _ in life.list_downs() if start != 72000.0} for life in world.lives]

    assert starts[0] == starts[1] == starts[2] != starts[3]
    for life in world.lives:
        for start, end in life.list_downs():
            assert not life.is_up(start)
            assert life.answers(start) is (start == 72000.0)
            assert end - start > 60


def test_the_share_of_common_failures_is_what_was_asked_for() -> None:
    world = make_world(FITS["g5k06"], count=60, length_s=15 * DAY_S, seed=1)
    before, after = (
        sum(len(life.list_downs()) for life in each.lives)
        for each in (world, add_outages(number_sites(world, 3), 0.5, 1))
    )

    assert after == pytest.approx(2 * before, rel=0.15)


def test_an_outage_while_a_node_is_down_makes_that_longer_and_silent() -> None:
    world = draw_silences(worlds.make_world("-"), 0.0, 1)
    (life,) = add_outages(number_sites(worlds.make_world("- 24 25"), 2), 0.99, 1).lives
    (dead,) = add_outages(number_sites(world, 2), 0.99, 1).lives

    assert dead.list_downs() == [(0.0, 3 * DAY_S)]
    assert not life.starts_up
    assert life.silences
    assert life.silences == tuple(sorted(life.silences))
