"""`explain` says why, and what it says of the future is what will be."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from plabctl.core.backoffs.adaptive import ADAPTIVE
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.age import AGE
from plabctl.core.backoffs.base import Backoff, BackoffKind
from plabctl.core.backoffs.exponential import EXPONENTIAL
from plabctl.core.backoffs.fixed import FIXED
from plabctl.core.backoffs.linear import LINEAR
from plabctl.core.backoffs.quadratic import QUADRATIC
from plabctl.core.events import MACHINE
from plabctl.core.forecast import DueReason, find_due_reason
from plabctl.core.model import Event, Hold, Leftover, Member, StageRun
from plabctl.core.settings import GuardSettings, GuardThen, Settings
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.core.timeouts import LearnedTimeouts
from plabctl.render import explanation
from plabctl.render.listing import Cell, Line
from plabctl.render.times import format_clock, format_iso, format_local
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord
from tests.builders import NOW, make_claim, make_report, make_settings, played
from tests.render.examples import FAILED, PASSED, UNSURE, make_context, make_every_kind, make_pair

FELL = Event(
    "t1-transition",
    NOW - 400.0,
    "transition",
    "n1",
    "plabctl",
    {"from": "good", "to": "bad", "cause": "setup", "reason": "quota exceeded", "since_at": NOW - 500.0},
)


def scene(
    pool: str = "good",
    *recent: Event,
    settings: Settings | None = None,
    testing: bool = False,
    site: str = "",
    **fields: object,
) -> tuple[NodeRecord, ViewContext]:
    node, member = make_pair("n1", pool, {"site": site} if site else {}, **fields)
    context = make_context((node, member), settings=settings)
    return NodeRecord(node, member, make_claim() if testing else None, recent), context


def told(subject: NodeRecord, context: ViewContext) -> str:
    return "\n".join(f"{label}: {cell.text}" for label, cell in explanation.build_lines(subject, context))


def page(pool: str = "good", *recent: Event, **fields: Any) -> str:
    return told(*scene(pool, *recent, **fields))


def of(member: Member, **more: Any) -> str:
    """The page of a member as the pools made it."""
    node, _ = make_pair("n1")
    context = make_context((node, member), settings=more.pop("settings", None))
    return told(NodeRecord(node, member, None, ()), replace(context, **more))


def guarded(context: ViewContext, *scopes: str) -> ViewContext:
    watches = {scope: {"since_at": NOW - 60.0, "why": "30 of 100 failed"} for scope in scopes}
    context.state.apply(Changes(notes={"guard": {"scopes": watches, "due_at": NOW}}))  # type: ignore[attr-defined]
    return context


def test_the_evidence_of_a_move_and_when_it_was() -> None:
    text = page("bad", FELL, last=FAILED, fail_streak=2)

    assert f"because: good -> bad: quota exceeded, at {format_local(NOW - 400.0)}" in text


@pytest.mark.parametrize("actor", [MACHINE, "ada"])
def test_no_command_is_shown_that_would_offer_a_node_that_failed(actor: str) -> None:
    assert "plabctl" not in page("bad", replace(FELL, actor=actor), last=FAILED, fail_streak=2)


def test_what_a_person_ordered_is_shown_with_the_command_that_ends_it() -> None:
    assert "quota exceeded (by ada), at" in page("bad", replace(FELL, actor="ada"))

    text = page("bad", hold=Hold("ada", "fan is broken", NOW - 60.0, is_move=True))

    assert "held: moved here by ada 1m ago, until released: fan is broken" in text
    assert "to release: plabctl release n1" in text
    assert "if it passes: it stays in bad: held by ada until somebody releases it" in text


def test_a_move_of_an_earlier_node_of_that_name_explains_nothing() -> None:
    subject, context = scene("bad", FELL)
    anew = replace(subject, node=replace(subject.node, added_at=NOW - 10.0))

    assert "quota" not in told(anew, context)


def test_passes_are_told_with_their_times() -> None:
    text = page("bad", last=FAILED, fail_streak=3, penalty=2.9, penalty_at=NOW, due_at=NOW + 1200.0)

    assert (
        f"if it passes: needs 3 more passes, next at {format_clock(NOW + 1200, NOW)}, then 5m apart: "
        f"in good at {format_clock(NOW + 1800, NOW)} at the earliest"
    ) in text
    assert "if it fails: it stays in bad, and the test after that comes 15m later" in text
    assert "flapping: penalty 2.9, halved every 6h: a return takes 3 passes in a row" in text


def test_one_pass_is_told_as_one_and_another_day_with_its_date() -> None:
    text = page("bad", last=FAILED, fail_streak=1, due_at=NOW + 2 * 86400.0)

    assert f"needs 1 more pass, next at {format_local(NOW + 2 * 86400.0)[:16]}; then goes to good" in text


def test_passes_so_far_would_be_lost() -> None:
    text = page("bad", last=PASSED, ok_streak=1, penalty=2.9, penalty_at=NOW)

    assert "if it passes: needs 2 more passes, the next test is due now" in text
    assert "if it fails: it stays in bad; the passes it has so far are lost" in text


def test_a_good_node_would_become_a_suspect() -> None:
    text = page("good", last=PASSED, ok_streak=2)

    assert "if it passes: it stays in good, and the test after that comes 12m30s later" in text
    assert "if it fails: it moves to bad as a suspect and is tested again at once" in text


def test_with_confirm_the_failures_it_takes_are_counted() -> None:
    settings = make_settings(confirm=2)

    assert "if it fails: 3 failures in a row, the quick retests counted, move it to bad" in page(settings=settings)
    assert "quick retest 1 of 2" in of(played(scene()[0].member, "F", settings=settings)[-1], settings=settings)


def test_a_suspect_is_decided_by_its_next_test() -> None:
    suspicion = Suspicion("good", NOW - 9e4, 7, NOW - 5.0)
    text = page("bad", last=FAILED, suspicion=suspicion, interval_s=0.0)

    assert f"because: it failed once in good at {format_local(NOW - 5.0)}" in text
    assert "connection refused" in text
    assert "if it passes: it is back in good as if nothing had happened" in text
    assert "if it fails: its failure is confirmed and it stays in bad, which counts as a flap" in text
    assert "the retest that confirms or refutes its failure, at once" in text


def test_a_hold_holds_it_and_says_until_when() -> None:
    endless = page("bad", hold=Hold("ada", "mine", NOW - 60.0))
    short = page("bad", last=PASSED, ok_streak=9, hold=Hold("ada", "mine", NOW - 60.0, NOW + 3600.0))

    assert "if it passes: it stays in bad: held by ada until somebody releases it" in endless
    assert "held: by ada 1m ago, until released: mine" in endless
    until = format_clock(NOW + 3600.0, NOW)
    assert f"it stays in bad: held by ada until {until}; goes to good then, if the tests say so" in short


def test_the_guard_is_told_with_its_rule_and_whether_it_holds_this_node() -> None:
    subject, context = scene("good", last=PASSED, site="oslo")

    assert (
        "guard: off; moves to bad are held while more than 20% of at least 10 good nodes of its pool or its site"
        in (told(subject, context))
    )
    on = told(subject, guarded(context, "site oslo"))
    assert "guard: came on for site oslo 1m ago: 30 of 100 failed" in on
    at = format_clock(NOW + 3600.0, NOW)
    assert f"the guard holds its move: it stays in good; if it still fails at {at} it is moved anyway" in on
    assert explanation.build_explanation(subject, context).guard.holds


def test_the_guard_of_others_does_not_hold_it() -> None:
    subject, context = scene("good", last=PASSED, site="oslo")
    text = told(subject, guarded(context, "site bergen"))

    assert "it does not hold this node" in text
    assert "it moves to bad as a suspect" in text


def test_a_guard_that_leaves_nodes_where_they_are_says_so() -> None:
    settings = replace(make_settings(), guard=GuardSettings(then=GuardThen.LEAVE, canary=("192.0.2.1:22",)))
    subject, context = scene("good", settings=settings, last=PASSED)
    text = told(subject, guarded(context, "monitor"))

    assert "it stays in good for as long as the guard is on" in text
    assert "or while no canary answers; a node that keeps failing is left where it is" in text


def test_a_suspect_that_is_guarded_goes_back_and_a_guarded_one_leaves_no_trace() -> None:
    suspicion = Suspicion("good", NOW - 9e4, 7, NOW - 5.0)
    suspect, context = scene("bad", last=FAILED, suspicion=suspicion)
    held, other = scene("good", last=FAILED, suspicion=suspicion, interval_s=300.0)

    assert "it goes back to good and is tested again soon" in told(suspect, guarded(context, "pool good"))
    text = told(held, guarded(other, "pool good"))
    assert "because: it fails, and the guard holds its move" in text
    assert "if it passes: it stays in good; its failures do not count" in text


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (ADDITIVE, "min(1h, 5m + 3 * 2m30s) = 12m30s"),
        (FIXED, ": 5m = 5m"),
        (EXPONENTIAL, "min(1h, 5m * 2^2) = 20m"),
        (LINEAR, "min(1h, 5m * 3) = 15m"),
        (QUADRATIC, "min(1h, 5m * 3^2) = 45m"),
        (AGE, "* sqrt(1 + "),
        (ADAPTIVE, "its fair part of 80% of the window"),
    ],
)
def test_the_wait_is_told_with_its_formula_and_what_was_drawn(kind: BackoffKind, formula: str) -> None:
    backoff = Backoff(kind=kind, base_s=300.0, step_s=150.0, max_s=3600.0, jitter_s=0.0)
    settings = make_settings(backoff=backoff)
    member = played(replace(scene("bad")[0].member, since_at=NOW - 60.0), "FFF", settings=settings)[-1]
    text = of(member, settings=settings, now=member.probed_at or NOW)

    assert f"the {kind.name} back-off of bad" in text
    assert "after 3 failures in a row" in text
    assert formula in text


def test_a_wait_drawn_under_other_settings_is_told_without_a_formula() -> None:
    member = replace(played(scene("bad")[0].member, "FFF")[-1], interval_s=77.0)

    assert "the additive back-off of bad drew 1m17s after 3 failures in a row" in of(member)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"last": None}, "it has never been tested, so it is due at once"),
        ({"requested_at": NOW - 60.0, "last": PASSED}, "a retest was asked for by ada at"),
        (
            {"last": UNSURE, "interval_s": 300.0},
            "the last test gave no verdict, so after the shortest wait: 5m",
        ),
        ({"last": PASSED, "since_at": NOW}, "a node is tested at once when it enters good"),
        (
            {"last": PASSED, "due_at": NOW - 1.0},
            "it was released, or is reached in another way now: a test decides where it belongs",
        ),
        (
            {"last": PASSED, "hold": Hold("a", "", NOW, NOW + 9), "due_at": NOW + 9, "interval_s": 9.0},
            "its hold ends then",
        ),
    ],
)
def test_why_the_next_test_is_when_it_is(fields: dict[str, Any], words: str) -> None:
    asked = Event("r1", NOW - 60.0, "retest", "n1", "ada")

    assert words in page("good", asked, **fields)


def test_a_running_test_is_told() -> None:
    text = page("bad", last=FAILED, testing=True)

    assert "next test: running for 0s, in slot 1" in text
    assert "needs 1 more pass, the next test is running" in text


def test_the_deadlines_of_the_next_test_and_where_they_come_from() -> None:
    subject, context = scene("good", last=PASSED)
    learned_timeouts = LearnedTimeouts({}, context.settings)
    stages = (StageRun("connect", 0.15, None), StageRun("setup", 0.15, 0))
    for _ in range(100):
        learned_timeouts.learn("process", make_report(stages=stages), subject.member)
    context.state.apply(Changes(notes=learned_timeouts.build_note()))  # type: ignore[attr-defined]
    text = told(subject, context)

    assert "connect      10s  the floor; 95% of 100 passes: 0.2 s at most" in text
    assert "check        10s  the recipe's; 0 of 20 passes to learn from" in text
    assert "deadlines: learned from passed tests, where there were enough" in text


def test_a_recipe_that_is_gone_is_told() -> None:
    node, member = make_pair("n1", variables={"recipe": "gone"})
    text = told(NodeRecord(node, member, None), make_context((node, member)))

    assert "recipe: gone, which is not configured" in text
    assert "deadlines" not in text


def test_leftovers_and_the_last_tests_are_told() -> None:
    probe = Event("t-probe", NOW - 300.0, "probe", "n1", "plabctl", {"outcome": "pass", "seconds": 1.25, "stages": []})
    subject, context = scene("good", probe, last=PASSED, leftovers=(Leftover("plabctl-x", "process", NOW - 60.0),))
    text = told(subject, context)

    assert "leftover: vnode plabctl-x of 1m ago, torn down before the next test" in text
    assert f"last tests: {format_clock(NOW - 300.0, NOW)}  test passed in 1.2 s" in text
    assert "stages" not in json.loads(explanation.format_json(subject, context))["tests"][0]


@pytest.mark.parametrize("name", sorted(make_every_kind().state.names()))
def test_every_kind_of_node_is_explained_on_a_page_of_80_columns(name: str) -> None:
    context = make_every_kind()
    node, member = context.state.node(name), context.state.member(name)
    assert node
    assert member
    subject = NodeRecord(node, member, context.state.claims.get(name), (replace(FELL, node=name),))
    lines = explanation.build_lines(subject, context)
    folded = explanation.fold_lines(lines, 80)
    width = max(len(label) for label, _ in folded) + 2

    assert all(width + len(cell.text) <= 80 for label, cell in folded if label != "to release")
    assert "".join(_words(lines)) == "".join(_words(folded))
    document: Any = json.loads(explanation.format_json(subject, context))
    assert document["name"] == name
    assert document["next"]["due_at"] == format_iso(member.due_at)
    assert document["next"]["why"] == find_due_reason(member, context.settings)
    assert [each["outcome"] for each in document["prospects"]] == ["pass", "fail"]


def _words(lines: list[Line]) -> list[str]:
    return [word for label, cell in lines for word in (label, *cell.text.split())]


def test_lines_that_are_lined_up_stay_so() -> None:
    folded = explanation.fold_lines([("a", Cell("setup  10s  " + "word " * 30))], 60)

    assert all(cell.text.startswith(" " * 12) for _, cell in folded[1:])


def test_no_part_of_what_a_stage_printed_is_taken_for_a_line_of_ours() -> None:
    folded = explanation.fold_lines([("a", Cell("  │ " + "word " * 30))], 60)

    assert len(folded) > 2
    assert all(cell.text.startswith("  │ word") for _, cell in folded)


def test_any_history_can_be_explained() -> None:
    rng = Random(3)
    for _ in range(150):
        history = "".join(rng.choice("PPFF?") for _ in range(rng.randrange(12)))
        members = played(scene(rng.choice(["good", "bad"]))[0].member, history)
        if members:
            text = of(members[-1])
            assert f"{DueReason.NEW}" not in text
            assert "next test: " in text


def test_without_a_width_nothing_is_folded() -> None:
    assert explanation.fold("word " * 100, None) == ["word " * 100]
