"""The plug-in's line keeps to the grammar of monitoring plug-ins."""

import re
from dataclasses import replace

import pytest

from plabctl.core.liveness_record import LostWay
from plabctl.core.state import Changes
from plabctl.core.surroundings import Surroundings
from plabctl.core.vantage import VANTAGES_NOTE, Tally
from plabctl.render.nagios import (
    Health,
    HealthLimits,
    find_affected,
    format_line,
    format_performance_data,
    judge_health,
)
from plabctl.render.nagios_range import NagiosRange, build_least, parse_range
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals
from tests.builders import NOW, make_settings
from tests.memory_state import MemoryState
from tests.render.examples import FAILED, make_context, make_every_kind, make_pair

NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"@?(?:(?:~|{NUMBER})?:(?:{NUMBER})?|{NUMBER})"
LABEL = r"(?:'[^'=]+'|[^ '=]+)"
DATUM = re.compile(rf"{LABEL}={NUMBER}(?:s|%|B|c)?;(?:{RANGE})?;(?:{RANGE})?;(?:{NUMBER})?;(?:{NUMBER})?")
"""One datum of the guidelines: 'label'=value[UOM];[warn];[crit];[min];[max]."""


def verdict(context: ViewContext, limits: HealthLimits) -> tuple[Health, str]:
    return judge_health(context, count_totals(context), limits, find_affected(context))


def performance(context: ViewContext, limits: HealthLimits) -> list[str]:
    return format_performance_data(context, count_totals(context), limits, find_affected(context)).split(" ")


def make_many() -> ViewContext:
    """Ten nodes: four bad, one good one held."""
    from plabctl.core.model import Hold

    bad = [make_pair(f"pc{number}.lab", "bad", fail_streak=1) for number in (1, 2, 3, 7)]
    good = [make_pair(f"pc{number}.lab") for number in (4, 5, 6, 8, 9)]
    held = make_pair("pc10.lab", hold=Hold("ann", "disk", NOW - 60.0, None))
    return make_context(*bad, *good, held)


@pytest.mark.parametrize(
    ("last_tick_at", "limits", "health"),
    [
        (None, HealthLimits(180.0), Health.CRITICAL),
        (NOW - 22.0, HealthLimits(180.0), Health.OK),
        (NOW - 181.0, HealthLimits(180.0), Health.CRITICAL),
        (NOW + 60.0, HealthLimits(180.0), Health.OK),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=build_least(4)), Health.OK),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=build_least(3)), Health.WARNING),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=build_least(1), crit_bad=build_least(3)), Health.CRITICAL),
    ],
)
def test_the_verdict(last_tick_at: float | None, limits: HealthLimits, health: Health) -> None:
    assert verdict(replace(make_every_kind(), last_tick_at=last_tick_at), limits)[0] is health


@pytest.mark.parametrize(
    ("text", "alerts", "fine"),
    [
        ("5", (6, 100), (0, 5)),
        ("0", (1,), (0,)),
        ("10:", (0, 9), (10, 100)),
        (":5", (6,), (0, 5)),
        ("~:5", (6,), (-3, 5)),
        ("2:4", (1, 5), (2, 4)),
        ("@2:4", (2, 4), (1, 5)),
        ("@0:", (0, 7), ()),
        ("@3", (0, 3), (4,)),
        ("2.5", (3,), (2,)),
        ("10%", (3,), (2,)),
        ("90%:", (17,), (18, 20)),
        ("@10%:50%", (2, 10), (1, 11)),
    ],
)
def test_ranges_are_those_of_the_guidelines(text: str, alerts: tuple[int, ...], fine: tuple[int, ...]) -> None:
    limit = parse_range(text)

    assert parse_range(str(limit)) == limit
    resolved = limit.resolve(20)
    assert re.fullmatch(RANGE, str(resolved))
    assert all(resolved.alerts(value) for value in alerts)
    assert not any(resolved.alerts(value) for value in fine)


@pytest.mark.parametrize("text", ["", "@", "five", "1:2:3", "5:2", "10%%", "1e3", "%", "--5", "\x1b[2J", "\u0663"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_a_least_count_is_a_valid_range(count: int) -> None:
    limit = build_least(count)

    assert re.fullmatch(RANGE, str(limit))
    assert limit.alerts(count)
    assert not count or not limit.alerts(count - 1)


LIMITS = [parse_range(text) for text in ("5", "0", "10:", "~:5", "@2:4", "@0:", "10%", "33.3%", "@10%:50%", "-3:-1")]


@pytest.mark.parametrize("limit", [*LIMITS, build_least(0), build_least(3)], ids=str)
@pytest.mark.parametrize(
    "context",
    [
        make_every_kind(),
        make_many(),
        make_context(),
        replace(make_every_kind(), last_tick_at=None),
        replace(make_many(), around=Surroundings(NOW + 500.0)),
    ],
    ids=["every kind", "many", "none", "no tick", "a success ahead"],
)
def test_performance_data_keeps_to_its_grammar(context: ViewContext, limit: NagiosRange) -> None:
    for limits in (HealthLimits(180.0), HealthLimits(0.001, limit, limit, limit, limit)):
        data = performance(context, limits)

        assert [datum for datum in data if not DATUM.fullmatch(datum)] == []
        labels = [datum.partition("=")[0].strip("'") for datum in data]
        assert len(set(labels)) == len(labels)


def test_a_pool_with_the_name_of_another_datum_has_a_label_of_its_own() -> None:
    settings = make_settings()
    pools = {**settings.pools, "held": replace(settings.pools["bad"], name="held")}

    data = performance(make_context(make_pair("n1"), settings=replace(settings, pools=pools)), HealthLimits(180.0))

    assert "'pool_held'=0;;;0;1" in data
    assert "held=0;;;0;1" in data

    pools["pool_held"] = replace(settings.pools["bad"], name="pool_held")
    data = performance(make_context(make_pair("n1"), settings=replace(settings, pools=pools)), HealthLimits(180.0))

    assert {"'pool_pool_held'=0;;;0;1", "'pool_held'=0;;;0;1", "held=0;;;0;1"} <= set(data), "nor one like another pool"


def test_limits_stand_in_the_performance_data_as_counts() -> None:
    limits = HealthLimits(180.0, parse_range("25%"), parse_range("5"), build_least(0), parse_range("@90%:"))

    data = performance(make_many(), limits)

    assert "'bad'=4;2.5;5;0;10" in data
    assert "unusable=5;@0:;@9:;0;10" in data


@pytest.mark.parametrize(
    ("limits", "health", "said"),
    [
        ({"warn_bad": "3"}, Health.WARNING, "4 of 10 nodes are bad (pc[1-3,7].lab); 10 nodes: 6 good, 4 bad; "),
        ({"warn_bad": "3", "crit_bad": "30%"}, Health.CRITICAL, "4 of 10 nodes are bad (pc[1-3,7].lab); 10 nodes: "),
        ({"warn_unusable": "4"}, Health.WARNING, "5 of 10 nodes are not usable (pc[1-3,7,10].lab); 10 nodes: "),
        (
            {"warn_bad": "3", "crit_unusable": "40%"},
            Health.CRITICAL,
            "5 of 10 nodes are not usable (pc[1-3,7,10].lab); 4 of 10 nodes are bad (pc[1-3,7].lab); 10 nodes: ",
        ),
        ({"warn_bad": "40%", "crit_unusable": "5"}, Health.OK, "10 nodes: 6 good, 4 bad; last tick "),
    ],
)  # fmt: skip
def test_the_worst_is_named_first_with_its_nodes(limits: dict[str, str], health: Health, said: str) -> None:
    found, words = verdict(make_many(), HealthLimits(180.0, **{key: parse_range(text) for key, text in limits.items()}))

    assert found is health
    assert words.startswith(said)


def test_very_many_nodes_are_not_all_named() -> None:
    context = make_context(*(make_pair(f"{'x' * (number % 40 + 1)}{number * number}", "bad") for number in range(200)))

    _, words = verdict(context, HealthLimits(180.0, parse_range("0")))

    assert ",...); 200 nodes: " in words
    assert len(words) < 600


def test_words_cannot_break_out_of_the_line() -> None:
    assert format_line(Health.UNKNOWN, "a | b\nc") == "PLABCTL UNKNOWN - a / b c"
    assert format_line(Health.OK, "fine", "x=1;;;;") == "PLABCTL OK - fine | x=1;;;;"


def test_a_guard_that_is_on_is_a_warning() -> None:
    context = make_every_kind()
    assert isinstance(context.state, MemoryState)
    scopes = {"pool good": {"since_at": NOW - 60.0, "why": "5 of 12 good nodes failed"}}
    context.state.apply(Changes(notes={"guard": {"scopes": scopes}}))
    health, words = verdict(context, HealthLimits(180.0))

    assert health is Health.WARNING
    assert "5 of 12 good nodes failed" in words


def test_nodes_that_wait_for_their_first_tests_are_a_warning() -> None:
    assert verdict(make_context(make_pair("n1", "bad")), HealthLimits(180.0)) == (
        Health.WARNING,
        "no node is usable yet: 1 of 1 nodes wait for their first tests; 1 node: 0 good, 1 bad; last tick 22s ago",
    )


def test_an_absent_node_does_not_wait_for_its_first_test() -> None:
    failed = make_pair("n2", "bad", last=FAILED)

    health, words = verdict(
        make_context(make_pair("n1", "bad", absent_since_at=NOW - 60.0), failed), HealthLimits(180.0)
    )

    assert health is Health.CRITICAL
    assert words.startswith("no node is usable: 2 bad;")


def test_nodes_that_one_vantage_does_not_reach_are_named_and_are_no_alarm() -> None:
    way = LostWay("north", NOW - 900.0, NOW - 60.0, NOW + 60.0, "south", is_told=True)
    doubted = replace(way, vantage="west", is_told=False)
    lost = [make_pair(f"pc{number}.lab", vantage="south", lost_ways=(way, doubted)) for number in (1, 2)]
    context = make_context(*lost, make_pair("pc3.lab", absent_since_at=NOW - 60.0, lost_ways=(way,)))
    assert verdict(context, HealthLimits(180.0)) == (Health.OK, "3 nodes: 3 good, 0 bad; last tick 22s ago")

    assert isinstance(context.state, MemoryState)
    context.state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(2)})))
    words = "not reached from north, but from elsewhere: pc[1-2].lab; 3 nodes: 3 good, 0 bad; last tick 22s ago"
    assert verdict(context, HealthLimits(180.0)) == (Health.OK, words)

    context.state.apply(
        Changes(notes={"guard": {"scopes": {"vantage north": {"since_at": NOW, "reason": "all 3 lost"}}}})
    )
    assert "but from elsewhere" not in verdict(context, HealthLimits(180.0))[1], "its guard says it"
