"""What happens between tests, in worlds small enough to work out by hand."""

from dataclasses import replace

import pytest

from plabctl.core.settings import LivenessSettings
from plabctl.sim.conditions import Conditions
from plabctl.sim.driver import run
from plabctl.sim.event_run import EventRun
from plabctl.sim.logins import draw_silences
from plabctl.sim.policies import Policy, build_named, find_policy, make_bare
from plabctl.sim.synthetic import FITS, make_world
from plabctl.sim.totals import Totals
from plabctl.sim.world import World
from tests.sim import worlds
from tests.sim.test_driver import make_policy
from tests.sim.worlds import DAY_S, HOUR_S

SILENT = Conditions(login_ratio=1.0)


def with_checks(between: int = 8, **own: float) -> Policy:
    """A test at each full hour, and so many checks between two."""
    policy = make_policy()
    liveness = replace(LivenessSettings(between=between), **own)  # type: ignore[arg-type]  # fields by name
    pools = {name: replace(pool, liveness=liveness) for name, pool in policy.settings.pools.items()}
    return Policy("checks", replace(policy.settings, pools=pools))


def played(world: World, policy: Policy, *, silent: float = 1.0) -> Totals:
    return run(draw_silences(world, silent, 1), policy, Conditions())


def test_checks_of_a_node_that_is_up_divide_the_time_between_two_tests() -> None:
    totals = played(worlds.make_world(""), with_checks(between=5))

    assert (totals.pass_count, totals.fail_count) == (48, 0)
    assert totals.check_count == 48 * 5
    assert totals.slot_s == 48 * 60 + 48 * 5


def test_a_node_that_is_silent_twice_is_out_of_good_before_its_test() -> None:
    # down from 30:30; checks 393.3 s after a test ends and each other, at ticks: the first after that is at 30:36
    totals = played(worlds.make_world("30.5 71.5"), with_checks())

    assert totals.detections == [6 * 60 + 20]
    assert totals.move_count == 2


def test_without_suspects_a_silence_calls_the_test() -> None:
    totals = played(worlds.make_world("30.5 71.5"), make_bare(with_checks()))

    assert totals.detections == [6 * 60 + 10 + 600]


def test_a_second_look_that_is_answered_calls_the_test_and_nothing_else() -> None:
    # down for the 5 s in which the check at 30:36 begins
    at = 30.6 * HOUR_S
    world = worlds.make_world(f"{(at - 2) / HOUR_S} {(at + 3) / HOUR_S}")
    totals, quiet = (played(each, with_checks()) for each in (world, worlds.make_world("")))

    assert totals.move_count == totals.fail_count == 0
    assert totals.pass_count == pytest.approx(quiet.pass_count, abs=1)


def test_a_second_look_may_come_later() -> None:
    totals = played(worlds.make_world("30.5 71.5"), with_checks(apart_s=300.0))

    assert totals.detections == [6 * 60 + 10 + 300 + 10]


def test_an_answer_after_silence_calls_the_test_in_bad() -> None:
    checked, plain = (played(worlds.make_world("30.5 40.5"), policy) for policy in (with_checks(), make_policy()))

    assert checked.readmissions[0] <= 8 * 60
    assert plain.readmissions[0] > 20 * 60


def test_a_node_that_is_down_and_answers_logins_causes_no_storm() -> None:
    deaf, talking = (played(worlds.make_world("-"), with_checks(), silent=share) for share in (1.0, 0.0))

    assert talking.fail_count == pytest.approx(deaf.fail_count, abs=1)


def test_checks_of_silent_nodes_cost_what_a_silence_takes() -> None:
    totals = played(worlds.make_world("-"), with_checks(between=5))

    assert totals.check_s == 10 * totals.check_count > 0


def test_a_test_of_a_silent_node_may_fail_sooner() -> None:
    world = draw_silences(worlds.make_world("-"), 1.0, 1)
    totals = run(world, make_policy(), Conditions(silent_s=20.0))

    assert totals.slot_s == 20 * totals.fail_count > 0


def test_counting_checks_gives_what_making_each_of_them_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(FITS["skype06"], count=6, length_s=3 * DAY_S, seed=3)
    policy = find_policy("age+checks")
    counted = vars(played(world, policy, silent=0.7))
    monkeypatch.setattr(EventRun, "_find_check_at", find_every_check)
    made = vars(played(world, policy, silent=0.7))

    figures = ("check_count", "check_s", "pass_count", "fail_count", "move_count", "broken_s", "idle_s", "slot_s")
    assert {name: made[name] for name in figures} == {name: counted[name] for name in figures}
    assert counted["check_count"] > 1000


def find_every_check(course: EventRun, number: int, before: float) -> float:
    """Every check of the node is made, none is merely counted."""
    at: float = course._checks_at[number]
    return at if at < before else float("inf")


def test_all_policies_meet_the_same_silences() -> None:
    world = make_world(FITS["pl05"], count=30, length_s=30 * DAY_S, seed=1)
    some, more = draw_silences(world, 0.4, 1), draw_silences(world, 0.8, 1)

    assert draw_silences(world.thin(3), 0.4, 1).lives == some.thin(3).lives
    for fewer, all_of, life in zip(some.lives, more.lives, world.lives, strict=True):
        assert set(fewer.silences) <= set(all_of.silences)
        assert not life.silences


def test_a_way_that_is_cut_fools_one_vantage_more_than_two() -> None:
    world = worlds.make_world(*[""] * 20, days=5)
    one, two = (run(world, build_named("age"), Conditions(cuts_per_day=4.0, vantage_count=count)) for count in (1, 2))

    assert min(one.fail_count, two.fail_count) > 50
    assert one.false_move_count > 4 * two.false_move_count
    assert one.false_move_count * 2 == pytest.approx(one.move_count, abs=20)


def test_a_silence_that_another_vantage_does_not_see_makes_no_suspect() -> None:
    world = draw_silences(worlds.make_world(*[""] * 10), 1.0, 1)
    one, two = (
        run(world, find_policy("age+checks"), Conditions(cuts_per_day=5.0, vantage_count=count)) for count in (1, 2)
    )

    assert one.idle_s > 20 * two.idle_s
