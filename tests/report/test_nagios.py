"""The plug-in's line keeps to the grammar of monitoring plug-ins."""

import re
from dataclasses import replace

import pytest

from plabctl.report.nagios import Health, Limits, judge, line, performance_data
from plabctl.report.status import Situation, totals
from tests.builders import NOW
from tests.report.scenes import every_kind, make_situation

DATUM = re.compile(r"(?:'[^'=]+'|[^ '=]+)=-?\d+(?:\.\d+)?(?:s|%|B|c)?;(?:\d*);(?:\d*);(?:\d*);(?:\d*)")


def verdict(situation: Situation, limits: Limits) -> tuple[Health, str]:
    return judge(situation, totals(situation), limits)


@pytest.mark.parametrize(
    ("last_tick_at", "limits", "health"),
    [
        (None, Limits(180.0), Health.CRITICAL),
        (NOW - 22.0, Limits(180.0), Health.OK),
        (NOW - 181.0, Limits(180.0), Health.CRITICAL),
        (NOW + 60.0, Limits(180.0), Health.OK),
        (NOW - 22.0, Limits(180.0, warn_bad=4), Health.OK),
        (NOW - 22.0, Limits(180.0, warn_bad=3), Health.WARNING),
        (NOW - 22.0, Limits(180.0, warn_bad=1, crit_bad=3), Health.CRITICAL),
    ],
)
def test_the_verdict(last_tick_at: float | None, limits: Limits, health: Health) -> None:
    assert verdict(replace(every_kind(), last_tick_at=last_tick_at), limits)[0] is health


@pytest.mark.parametrize("situation", [every_kind(), make_situation(), replace(every_kind(), last_tick_at=None)])
@pytest.mark.parametrize("limits", [Limits(180.0), Limits(60.0, 2, 5)])
def test_performance_data_keeps_to_its_grammar(situation: Situation, limits: Limits) -> None:
    data = performance_data(situation, totals(situation), limits)

    assert all(DATUM.fullmatch(datum) for datum in data.split(" "))


def test_words_cannot_break_out_of_the_line() -> None:
    assert line(Health.UNKNOWN, "a | b\nc") == "PLABCTL UNKNOWN - a / b c"
    assert line(Health.OK, "fine", "x=1;;;;") == "PLABCTL OK - fine | x=1;;;;"


def test_a_guard_that_is_on_is_a_warning() -> None:
    from plabctl.core.state import Changes, MemoryState

    situation = every_kind()
    assert isinstance(situation.state, MemoryState)
    scopes = {"pool good": {"since_at": NOW - 60.0, "why": "5 of 12 good nodes failed"}}
    situation.state.apply(Changes(notes={"guard": {"scopes": scopes}}))
    health, words = verdict(situation, Limits(180.0))

    assert health is Health.WARNING
    assert "5 of 12 good nodes failed" in words
