"""Liveness checks in words, as `show` and `explain` have them."""

from typing import Any

import pytest

from plabctl.core.forecast import DueReason, find_due_reason
from plabctl.core.liveness import Liveness, Look, call_check, judge_check
from plabctl.core.model import Event, Hold, Member
from plabctl.core.settings import LivenessSettings, Settings
from plabctl.render.event_table import describe_event
from plabctl.render.explanation import build_explanation, build_lines
from plabctl.render.login_lines import explain_login, format_login_lines
from plabctl.values import replace
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord, build_node_page
from tests.builders import NOW, judged, make_member, make_node, make_settings, make_state


def checking(**fields: Any) -> Settings:
    base = make_settings()
    own = LivenessSettings(8, **fields)
    return replace(base, pools={name: replace(pool, liveness=own) for name, pool in base.pools.items()})


def waiting(pool: str = "good", **fields: Any) -> Member:
    known = Liveness(NOW + 40, 200.0, NOW - 160)
    return make_member("n1", pool, **{"due_at": NOW + 900, "interval_s": 1800.0, "liveness": known, **fields})


def said(member: Member, settings: Settings | None = None, *, explained: bool = False) -> list[str]:
    subject = NodeRecord(make_node("n1"), member, None)
    context = ViewContext(settings or checking(), make_state(member), NOW)
    return [cell.text for _, cell in (explain_login if explained else format_login_lines)(subject, context)]


def test_when_it_answered_and_when_it_is_asked_next() -> None:
    assert said(waiting()) == ["answered 2m40s ago", "next login in 40s, then each 3m20s until the next test"]


@pytest.mark.parametrize(
    ("member", "lines"),
    [
        (
            waiting(liveness=Liveness(NOW - 1, 200.0, NOW - 600, 2)),
            ["silent 2 times in a row, answered 10m ago", "next login now, as soon as a slot is free, then each"],
        ),
        (waiting(liveness=Liveness(NOW + 9, 60.0)), ["not tried yet", "next login in 9s"]),
        (waiting(due_at=NOW - 1), ["answered 2m40s ago", "the next test comes before the next login"]),
        (
            call_check(waiting(), NOW, "pc7 at the same site fell silent"),
            ["answered 2m40s ago", "asked early: pc7 at the same site fell silent"],
        ),
        (waiting(absent_since_at=NOW), ["answered 2m40s ago", "no login is planned"]),
    ],
    ids=["silent", "new", "test first", "called", "absent"],
)
def test_what_is_said_in_other_cases(member: Member, lines: list[str]) -> None:
    found = said(member)

    assert len(found) == len(lines)
    assert all(text.startswith(line) for text, line in zip(found, lines, strict=True))


@pytest.mark.parametrize(
    ("member", "settings", "rule"),
    [
        (waiting(), checking(), "after 2 silent logins in a row it leaves good as a suspect, and is tested at once"),
        (waiting(), checking(silences=0), "silence makes its test due at once"),
        (waiting(hold=Hold("ada", "look", NOW)), checking(), "silence makes its test due at once"),
        (waiting("bad"), checking(), "an answer after silence makes its test due at once"),
    ],
)
def test_explain_says_what_an_answer_would_do(member: Member, settings: Settings, rule: str) -> None:
    assert said(member, settings, explained=True)[-1] == rule


def test_nothing_is_said_where_no_checks_are_made() -> None:
    assert said(make_member()) == []
    assert said(make_member(), make_settings(), explained=True) == []


def test_programs_are_told_the_same() -> None:
    subject, context = NodeRecord(make_node("n1"), waiting(), None), ViewContext(checking(), make_state(waiting()), NOW)
    page, explained = build_node_page(subject, context), build_explanation(subject, context)

    assert page.login is not None
    assert page.login == explained.login
    assert (page.login.answered_at, page.login.due_at, page.login.silences_count) == (NOW - 160, NOW + 40, 0)


def silenced(count: int, **fields: Any) -> Member:
    member = waiting(**fields)
    for number in range(count):
        look = Look(answered=False, started_at=NOW + number, reason="no answer")
        member = judge_check(member, look, checking().pools["good"], NOW + number).member
    return member


def test_a_suspect_by_silence_is_called_so_everywhere() -> None:
    member = silenced(2)
    subject, context = NodeRecord(make_node("n1"), member, None), ViewContext(checking(), make_state(member), NOW + 2)

    text = "\n".join(f"{label}: {cell.text}" for label, cell in build_lines(subject, context))

    assert "because: it fell silent in good at" in text
    assert "silent 2 times in a row: no answer" in text
    assert "the retest that confirms or refutes its silence, at once" in text
    assert subject.view_node(context).why_not == "suspect: it fell silent and is tested again"


def test_its_event_says_so_too() -> None:
    data = {"from": "good", "to": "bad", "cause": "silence", "reason": "silent 2 times in a row: no answer"}

    text = describe_event(Event("e1", NOW, "suspect", "n1", "plabctl", data))

    assert text == "good -> bad, checking again: silent 2 times in a row: no answer"


def test_a_test_that_a_check_called_is_explained_by_it() -> None:
    member = judged(waiting(), "pass", at=NOW - 300).member
    member = replace(member, liveness=Liveness(NOW, 60.0, NOW - 300, 1))
    answered = judge_check(member, Look(answered=True, started_at=NOW), checking().pools["good"], NOW + 1).member
    bare = replace(checking().pools["good"], liveness=LivenessSettings(8, silences=0))
    silent = judge_check(member, Look(answered=False, started_at=NOW), bare, NOW + 1).member

    assert find_due_reason(member, checking()) is DueReason.BACKOFF
    assert [find_due_reason(each, checking()) for each in (answered, silent)] == [DueReason.CHANGED] * 2
