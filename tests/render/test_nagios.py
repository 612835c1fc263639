"""The plug-in's line keeps to the grammar of monitoring plug-ins."""

import re
from dataclasses import replace

import pytest

from plabctl.render.nagios import Health, HealthLimits, format_line, format_performance_data, judge_health
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals
from tests.builders import NOW
from tests.render.examples import make_context, make_every_kind

DATUM = re.compile(r"(?:'[^'=]+'|[^ '=]+)=-?\d+(?:\.\d+)?(?:s|%|B|c)?;(?:\d*);(?:\d*);(?:\d*);(?:\d*)")


def verdict(context: ViewContext, limits: HealthLimits) -> tuple[Health, str]:
    return judge_health(context, count_totals(context), limits)


@pytest.mark.parametrize(
    ("last_tick_at", "limits", "health"),
    [
        (None, HealthLimits(180.0), Health.CRITICAL),
        (NOW - 22.0, HealthLimits(180.0), Health.OK),
        (NOW - 181.0, HealthLimits(180.0), Health.CRITICAL),
        (NOW + 60.0, HealthLimits(180.0), Health.OK),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=4), Health.OK),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=3), Health.WARNING),
        (NOW - 22.0, HealthLimits(180.0, warn_bad=1, crit_bad=3), Health.CRITICAL),
    ],
)
def test_the_verdict(last_tick_at: float | None, limits: HealthLimits, health: Health) -> None:
    assert verdict(replace(make_every_kind(), last_tick_at=last_tick_at), limits)[0] is health


@pytest.mark.parametrize("context", [make_every_kind(), make_context(), replace(make_every_kind(), last_tick_at=None)])
@pytest.mark.parametrize("limits", [HealthLimits(180.0), HealthLimits(60.0, 2, 5)])
def test_performance_data_keeps_to_its_grammar(context: ViewContext, limits: HealthLimits) -> None:
    data = format_performance_data(context, count_totals(context), limits)

    assert all(DATUM.fullmatch(datum) for datum in data.split(" "))


def test_words_cannot_break_out_of_the_line() -> None:
    assert format_line(Health.UNKNOWN, "a | b\nc") == "PLABCTL UNKNOWN - a / b c"
    assert format_line(Health.OK, "fine", "x=1;;;;") == "PLABCTL OK - fine | x=1;;;;"


def test_a_guard_that_is_on_is_a_warning() -> None:
    from plabctl.core.state import Changes
    from tests.memory_state import MemoryState

    context = make_every_kind()
    assert isinstance(context.state, MemoryState)
    scopes = {"pool good": {"since_at": NOW - 60.0, "why": "5 of 12 good nodes failed"}}
    context.state.apply(Changes(notes={"guard": {"scopes": scopes}}))
    health, words = verdict(context, HealthLimits(180.0))

    assert health is Health.WARNING
    assert "5 of 12 good nodes failed" in words
