"""What is news and what is not, and the words for it."""

import pytest

from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.model import Event
from plabctl.demo.demo_view import DemoView, NodeChecks, NodeState
from plabctl.demo.sentences import Narrator
from tests.builders import NOW
from tests.demo.demo_values import BOTH_PASS, REFUSED, UP, make_node_view, make_view

VIEW = make_view(make_node_view("n1", NodeState.BAD))


def probe(token: str, outcome: str, cause: str | None = None, node: str = "n1") -> Event:
    return Event(f"{token}-probe", NOW, "probe", node, "plabctl", {"outcome": outcome, "cause": cause, "reason": "r"})


def move(token: str, kind: str = "transition", cause: str = "passed") -> Event:
    data = {"from": "bad", "to": "good", "cause": cause, "reason": "r"}
    return Event(f"{token}-{kind}", NOW, kind, "n1", "plabctl", data)


def tell(narrator: Narrator, *events: Event, view: DemoView = VIEW) -> list[str]:
    return [sentence.text for sentence in narrator.tell(events, view)]


def test_the_same_verdict_again_is_no_news() -> None:
    narrator = Narrator()

    assert len(tell(narrator, probe("a", "fail", "setup"))) == 1
    assert tell(narrator, probe("b", "fail", "setup")) == []
    assert len(tell(narrator, probe("c", "fail", "connect"))) == 1
    assert len(tell(narrator, probe("d", "pass"))) == 1


def test_an_interrupted_test_is_no_news_and_changes_nothing() -> None:
    narrator = Narrator()
    tell(narrator, probe("a", "pass"))

    assert tell(narrator, probe("b", "unknown", "interrupted"), probe("c", "pass")) == []


def test_verdicts_are_remembered_for_each_node() -> None:
    assert len(tell(Narrator(), probe("a", "pass"), probe("b", "pass", node="n2"))) == 2


def test_a_move_is_told_in_place_of_the_verdict_that_led_to_it() -> None:
    narrator = Narrator()

    assert len(tell(narrator, probe("a", "pass"), move("a"))) == 1
    assert tell(narrator, probe("b", "pass")) == []


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (BOTH_PASS, "n1 answers a ping and a login, but no virtual node can be set up on it: r"),
        (NodeChecks(UP, REFUSED), "n1 answers a ping, but nothing can be started on it: r"),
        (NodeChecks(REFUSED, REFUSED), "n1 failed its test: r"),
        (NodeChecks(), "n1 failed its test: r"),
    ],
)
def test_a_failure_is_told_beside_what_a_ping_and_a_login_say(checks: NodeChecks, words: str) -> None:
    view = make_view(make_node_view("n1", NodeState.BAD, checks=checks))

    assert tell(Narrator(), probe("a", "fail", "setup"), view=view) == [words]


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (0, "n1 passed its test."),
        (1, "n1 passed its test; since it has failed before, it needs one more pass to be good again."),
        (2, "n1 passed its test; since it has failed before, it needs 2 more passes in a row to be good again."),
    ],
)
def test_a_pass_is_told_with_what_is_still_needed(needed: int, words: str) -> None:
    view = make_view(make_node_view("n1", NodeState.BAD, passes_needed=needed))

    assert tell(Narrator(), probe("a", "pass"), view=view) == [words]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (move("a"), "n1 is good: a virtual node was set up on it, used, and removed again."),
        (move("a", cause="setup"), "n1 failed its retest too and is bad now: r"),
        (
            move("a", "suspect", "setup"),
            "n1 was good and has failed: r. It is not offered until it passes again.",
        ),
        (move("a", "refuted"), "n1 passed its retest: it is good, as before."),
        (Event("", NOW, "repair", "n1", "demo", {"reason": "a disk"}), "n1 is being repaired: a disk."),
        (
            probe("a", "fail", "host-key"),
            "n1 shows another host key than the one we trust: it may be another machine.",
        ),
        (Event("a-hold", NOW, "hold", "n1", "sue", {"reason": "mine"}), "n1 held: mine"),
    ],
)
def test_the_words_of_an_event(event: Event, words: str) -> None:
    assert tell(Narrator(), event) == [words]


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_of_event_has_words_or_is_left_out(kind: str) -> None:
    told = tell(Narrator(), Event(f"a-{kind}", NOW, kind, "n1", "plabctl", {}))

    assert all(text.startswith("n1 ") for text in told)
    assert bool(told) != (kind in {"node-added", "void", "late", "vnode-probe"})
